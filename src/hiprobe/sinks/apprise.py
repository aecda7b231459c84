"""Send one line and the snapshot to a phone, or any other service that Apprise reaches.

By default one message per alert, after the model's check. Knows no service: Apprise does.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hiprobe.errors import SinkFailed, UsageError
from hiprobe.sinks import ALERT_SCHEMA, NO_OPTIONS, SCHEMA, Line, Live, SinkSettings, Target
from hiprobe.sinks._http import INSTALL, behind_proxy, reach
from hiprobe.sinks._sentences import heading, sentence
from hiprobe.sinks._settings import check_names
from hiprobe.sinks._snapshots import snapshot_path
from hiprobe.sinks._targets import given_target, shown_target

schemas = (SCHEMA, ALERT_SCHEMA)
network = True
settings = SinkSettings(types=("new",), min_severity="medium", wait="verified")
ANSWER_S = 15.0
HTTPS = 443
FIXED = re.compile(r"https://([\w.-]+)(?=/|$)")  # not one with a place for a name in it
OWN_SERVER = frozenset({"ntfy", "gotify", "json", "xml", "form", "hassio", "mmost", "matrix"})
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

    def reach(self) -> None:
        """Raise SinkFailed if nobody answers where the service is, if that is known."""
        host, port = _answers_at(self._service[0]) or ("", 0)
        if host and not behind_proxy("https" if port == HTTPS else "http", host):
            reach(host, port, self._where)

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
    check_names("option", options, OPTIONS)
    Notification(given_target(target), options, None).close()


def _answers_at(service: Any) -> tuple[str, int] | None:
    """Return host and port of a service of Apprise; None where its address does not say."""
    fixed = getattr(service, "notify_url", None)
    if getattr(service, "mode", None) == "cloud":
        fixed = getattr(service, "cloud_notify_url", fixed)
    elif getattr(service, "mode", None) == "private":
        fixed = None
    if isinstance(fixed, str) and (found := FIXED.match(fixed)):
        return (found[1], HTTPS)
    schemes = getattr(service, "protocol", None), getattr(service, "secure_protocol", None)
    if not service.host or not OWN_SERVER.intersection(map(str, schemes)):
        return None
    return (str(service.host), service.port or (HTTPS if service.secure else 80))


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
