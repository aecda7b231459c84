"""The templates of reports and of the list of videos, each translated once per process."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

ASSETS = "report/assets"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("hiprobe", ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def template(name: str) -> Template:
    """Return the template `NAME.html.jinja` of the folder `ASSETS`."""
    return _environment().get_template(f"{name}.html.jinja")
