"""Post each message to an HTTP address, as a CloudEvent or by a template of yours.

Format: CloudEvents 1.0, JSON event format in structured mode; with a template the attributes are
headers (binary mode), so that a receiver knows a repeated message either way. The signature header
is the HMAC-SHA256 of the body, as GitHub's `X-Hub-Signature-256`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from hiprobe.disk.regular import read_regular
from hiprobe.errors import UsageError
from hiprobe.sinks import ALERT_SCHEMA, NO_OPTIONS, SCHEMA, Line, Live, Target
from hiprobe.sinks._http import OPTIONS as HTTP_OPTIONS
from hiprobe.sinks._http import HttpClient
from hiprobe.sinks._settings import check_names
from hiprobe.sinks._targets import Address, address_of, secret_of

if TYPE_CHECKING:
    from jinja2 import Template

schemas = (SCHEMA, ALERT_SCHEMA)
network = True
OPTIONS = ("template", "content_type", "secret_file", "secret_env", *HTTP_OPTIONS)
paths = ("template", "secret_file", "ca_file")  # options that name a file
SECRET = "HIPROBE_WEBHOOK_SECRET"
SIGNATURE = "X-Hiprobe-Signature-256"
TEMPLATE_BYTES = 1 << 20


def cloud_event(line: Line) -> dict[str, Any]:
    """Wrap a message in a CloudEvents 1.0 envelope; its `id` is the same each time it is sent.

    >>> event = cloud_event({"schema": "hiprobe.event/2", "id": "9c", "video": {"name": "a.mp4"}})
    >>> event["type"], event["source"], event["id"]
    ('hiprobe.event', '/hiprobe/videos/a.mp4', '9c')
    """
    envelope = {"specversion": "1.0", "datacontenttype": "application/json", "data": dict(line)}
    if line["schema"] == ALERT_SCHEMA:
        return {
            **envelope,
            "id": f"{line['id']}.{line['sequence']}",
            "source": f"/hiprobe/cameras/{quote(line['camera'], safe='')}",
            "type": f"hiprobe.alert.{line['type']}",
            "subject": line["id"],
            "time": line["start"],
        }
    source = f"/hiprobe/videos/{quote(line['video']['name'], safe='/')}"
    return {**envelope, "id": line["id"], "source": source, "type": "hiprobe.event"}


class Webhook:
    """Posts each message to one address; see `open`."""

    def __init__(self, address: Address, options: Mapping[str, Any]) -> None:
        self._url, where = address.url, f"webhook {address.shown}"
        self._secret = secret_of(options, SECRET)
        self._type = str(options.get("content_type", "application/json"))
        self._template = _template(options.get("template"))
        self._client = HttpClient(address, where, options)

    def write(self, line: Line) -> None:
        """Post one message; raises SinkFailed, or UsageError if it is refused."""
        body, headers = self._request(line)
        if self._secret is not None:
            headers[SIGNATURE] = f"sha256={hmac.digest(self._secret, body, 'sha256').hex()}"
        self._client.send("POST", self._url, body, headers)

    def _request(self, line: Line) -> tuple[bytes, dict[str, str]]:
        event = cloud_event(line)
        if self._template is None:
            kind = "application/cloudevents+json; charset=utf-8"
            return json.dumps(event).encode(), {"Content-Type": kind}
        names = ("specversion", "id", "source", "type", "time", "subject")
        headers = {f"ce-{name}": event[name] for name in names if name in event}
        return _rendered(self._template, event), headers | {"Content-Type": self._type}

    def reach(self) -> None:
        """Raise SinkFailed if nobody answers at the address; nothing is sent."""
        self._client.reach()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self.close()


def open(
    target: Target, options: Mapping[str, Any] = NO_OPTIONS, live: Live | None = None
) -> Webhook:
    """Open a sink that posts to `target`, an http or https address with or without user:password.

    Options: `template`, a file in Jinja2 that makes the body from `message` and `event` (its
    envelope), with `content_type` (application/json); `secret_file` or `secret_env`, by default the
    environment variable HIPROBE_WEBHOOK_SECRET or HIPROBE_WEBHOOK_SECRET_FILE; `ca_file` and
    `check_certificate`. Raises UsageError for what cannot be used.
    """
    check_names("option", options, OPTIONS)
    return Webhook(address_of(target, ("http", "https")), options)


def check_target(target: Target, options: Mapping[str, Any] = NO_OPTIONS) -> None:
    """Raise UsageError for a target or options that can never be used; nothing is sent."""
    check_names("option", options, OPTIONS)
    Webhook(address_of(target, ("http", "https")), options).close()


def _template(path: object) -> Template | None:
    """Read a template, which is run in a sandbox; raises UsageError."""
    if path is None:
        return None
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        source = read_regular(str(path), TEMPLATE_BYTES).decode()
        return ImmutableSandboxedEnvironment(undefined=StrictUndefined).from_string(source)
    except (OSError, ValueError, TemplateError) as error:
        raise UsageError(
            f"the template cannot be used: {error}", where=str(path), cure="correct the file"
        ) from error


def _rendered(template: Template, event: Mapping[str, Any]) -> bytes:
    from jinja2 import TemplateError

    try:
        return template.render(message=event["data"], event=event).encode()
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise UsageError(
            f"the template fails on this message: {error}", cure="correct the template"
        ) from error
