"""The options of the commands that serve a web page."""

from __future__ import annotations

from typing import Annotated

import typer

LOOPBACK, PORT = "127.0.0.1", 8010
Host = Annotated[
    str, typer.Option(help="Address of the page to listen on. Any but loopback needs --token.")
]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port of the page to listen on.")]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="HIPROBE_TOKEN",
        help="A secret of 16 characters or more, needed to open the page.",
    ),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="A further name by which browsers open the page, with or without a port: of this "
        "machine, or of a proxy in front of it. Give it as often as needed.",
    ),
]
Who = Annotated[
    str | None,
    typer.Option(help="Your name, saved with each judgement. Default: your login name."),
]
