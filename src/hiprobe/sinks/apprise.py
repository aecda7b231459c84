"""Send one line and the snapshot to a phone, or any other service that Apprise reaches.

By default one message per alert, after the model's check. Knows no service: Apprise does.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hiprobe.errors import SinkFailed, UsageError
from hiprobe.sinks import ALERT_SCHEMA, NO_OPTIONS, SCHEMA, Line, Live, SinkSettings, Target
from hiprobe.sinks._http import INSTALL
from hiprobe.sinks._sentences import heading, sentence
from hiprobe.sinks._settings import check_names
from hiprobe.sinks._snapshots import snapshot_path
from hiprobe.sinks._targets import given_target, shown_target

schemas = (SCHEMA, ALERT_SCHEMA)
network = True
settings = SinkSettings(types=("new",), min_severity="medium", wait="verified")
ANSWER_S = 15.0
OPTIONS = ("snapshot",)


class Notification:
    """Notifies one service; see `open`."""

    def __init__(self, target: str, options: Mapping[str, Any], folder: Path | None) -> None:
        self._where, self._folder = f"apprise {shown_target(target)}", folder
        self._attach = bool(options.get("snapshot", True))
        self._service = _service(target, self._where)

    def write(self, line: Line) -> None:
        """Notify the service; raises SinkFailed if it does not take the message."""
        file = snapshot_path(line, self._folder) if self._attach else None
        taken = self._service.notify(
            sentence(line),
            title=heading(line),
            attach=None if file is None else str(file),
            timeout=ANSWER_S,
        )
        if not taken:
            raise SinkFailed(
                "the service did not take the message",
                where=self._where,
                cure="check its address and token",
            )

    def close(self) -> None:
        """Do nothing: no connection is kept."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close()


def open(
    target: Target, options: Mapping[str, Any] = NO_OPTIONS, live: Live | None = None
) -> Notification:
    """Open a sink that notifies `target`, an address as Apprise writes it, such as ntfy://topic.

    Option: `snapshot` = false sends the line alone. Raises UsageError for an address that Apprise
    does not know, and where it is not installed.
    """
    check_names("option", options, OPTIONS)
    return Notification(given_target(target), options, None if live is None else live.folder)


def check_target(target: Target, options: Mapping[str, Any] = NO_OPTIONS) -> None:
    """Raise UsageError for a target or options that can never be used; nothing is sent."""
    open(target, options).close()


def _service(target: str, where: str) -> Any:
    try:
        import apprise
    except ModuleNotFoundError as error:
        raise UsageError(f"this sink needs {error.name}", cure=INSTALL) from error
    # What they log holds addresses with tokens.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    asset = apprise.AppriseAsset(app_id="hiprobe", app_desc="hiprobe", storage_mode="memory")
    service = apprise.Apprise(asset=asset)
    if not service.add(target) or len(service) != 1:
        raise UsageError(
            "not one address of a service that Apprise knows",
            where=where,
            cure="see the list on appriseit.com, and give each address its own sink",
        )
    return service
