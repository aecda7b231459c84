"""`hiprobe verify`: check what another system has found in its own recordings."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiprobe.cli import _chosen, _run
from hiprobe.cli._options import AsJson, Device, Dtype, ModelOfProbe, Revision, Verify, check_range
from hiprobe.errors import UsageError

if TYPE_CHECKING:
    from hiprobe.live.verify_frigate import FrigateOptions, FrigateVerifier, ReviewCheck
    from hiprobe.sinks._mqtt_connection import Connection

SYSTEMS = ("frigate",)
NOTES = ("description", "sub_label")
TOPIC, AVAILABLE = "verifications", "verify/available"
STOPPING = "stopping: the review at hand is finished if that takes less than 3 s"
END_S = 3.0  # for the review that is being verified, when a signal comes


def verify(
    system: Annotated[str, typer.Argument(help="The system whose findings are checked: frigate.")],
    url: Annotated[
        str,
        typer.Option(
            envvar="HIPROBE_FRIGATE_URL",
            help="The address of Frigate: http://HOST:5000, or https://USER:PASSWORD@HOST:8971. "
            "env:NAME takes it from an environment variable.",
        ),
    ],
    mqtt: Annotated[
        str,
        typer.Option(
            envvar="HIPROBE_MQTT_URL",
            help="The broker that Frigate publishes to: mqtt://USER:PASSWORD@HOST/PREFIX. Answers "
            "go to PREFIX/verifications; the default prefix is hiprobe.",
        ),
    ],
    probe: Annotated[
        Path | None,
        typer.Option(
            "--probe",
            "-p",
            help="A probe made by hiprobe fit, or org/name@revision of the hub. Default: "
            "probe.safetensors in the working folder, then the one shipped with hiprobe.",
        ),
    ] = None,
    model: ModelOfProbe = None,
    topic: Annotated[str, typer.Option(help="The topic prefix of Frigate.")] = "frigate",
    camera: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this camera of Frigate. Repeatable."),
    ] = None,
    alerts_only: Annotated[
        bool, typer.Option("--alerts-only", help="Only what Frigate itself calls an alert.")
    ] = False,
    note: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Also write the answer to the events in Frigate: description or sub_label, which "
            "replaces a name or a plate that Frigate has recognized. Repeatable.",
        ),
    ] = None,
    padding: Annotated[
        float, typer.Option(help="Seconds of recording before and after to score as well.")
    ] = 5.0,
    wait: Annotated[
        float,
        typer.Option(help="Seconds to wait for Frigate to have written the recording."),
    ] = 15.0,
    explain: Annotated[
        bool, typer.Option(help="Let the model explain each event in words.")
    ] = True,
    check: Verify = True,
    ca_file: Annotated[
        Path | None,
        typer.Option(help="The certificates to trust, for https and mqtts."),
    ] = None,
    check_certificate: Annotated[
        bool,
        typer.Option(
            "--check-certificate/--any-certificate",
            help="Whether to check the certificates of Frigate and the broker.",
        ),
    ] = True,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Verify what Frigate has found: confirmed, rejected or unsure, with a score and words.

    When a review of Frigate has ended, its recording is fetched and scored. No camera stream is
    needed. The answers are published until SIGTERM or Ctrl-C. Frigate or the broker may be away for
    a while: reviews that ended meanwhile are made up for.
    """
    from hiprobe.cli._terminal import err, markup
    from hiprobe.cli._watching import Stop, leave
    from hiprobe.live.frigate_api import FrigateApi
    from hiprobe.live.verify_frigate import FrigateVerifier

    if system not in SYSTEMS:
        raise UsageError(f"there is no {system!r} to verify", cure=f"use {' or '.join(SYSTEMS)}")
    options = _options(camera, alerts_only, note, (padding, wait), explain=explain, verify=check)
    trust = _trust(ca_file, check_certificate=check_certificate)
    api = FrigateApi(url, trust)
    broker = _Broker(mqtt, trust, topic)
    chosen = _chosen.choose_probe(probe, Path(os.devnull))
    name = _chosen.choose_model(model, chosen)
    _chosen.say_choice(chosen, name)
    backbone = _run.load_backbone(chosen.loading(name, revision, device, dtype, True))

    def report(line: str) -> None:
        err.print(markup(line), soft_wrap=True)

    told = _told_as_json if as_json else _told
    verifier = FrigateVerifier(api, backbone, chosen.probe, broker.publish, options, told, report)
    with Stop(STOPPING).listening() as stop:
        broker.connect(verifier)
        report(f"verifying reviews of frigate {api.shown}; stop it with Ctrl-C")
        _run_until(verifier, stop)
        broker.close()
        api.close()
        leave(stop)


def _options(
    cameras: list[str] | None,
    alerts_only: bool,
    notes: list[str] | None,
    seconds: tuple[float, float],
    *,
    explain: bool,
    verify: bool,
) -> FrigateOptions:
    from hiprobe.live.verify_frigate import FrigateOptions

    check_range("--padding", "padding", seconds[0])
    check_range("--wait", "wait", seconds[1])
    wrong = [one for one in notes or () if one not in NOTES]
    if wrong:
        raise UsageError(f"--note must be {' or '.join(NOTES)}, got {wrong[0]!r}")
    severities = frozenset({"alert"} if alerts_only else {"alert", "detection"})
    wanted = frozenset(cameras or ())
    return FrigateOptions(wanted, severities, *seconds, tuple(notes or ()), verify, explain)


def _trust(ca_file: Path | None, *, check_certificate: bool) -> dict[str, Any]:
    given = {} if ca_file is None else {"ca_file": str(ca_file)}
    return {**given, "check_certificate": check_certificate}


class _Broker:
    """The broker that Frigate publishes to, and that gets the answers."""

    def __init__(self, target: str, trust: dict[str, Any], topic: str) -> None:
        from hiprobe.sinks._http import trusted
        from hiprobe.sinks._targets import address_of

        self._address = address_of(target, ("mqtt", "mqtts"))
        self._prefix = self._address.path.strip("/") or "hiprobe"
        self._where, self._topic = f"mqtt {self._address.shown}", f"{topic}/reviews"
        secure = self._address.scheme == "mqtts"
        self._tls = trusted(trust, self._where) if secure else None
        self._connection: Connection | None = None

    def connect(self, verifier: FrigateVerifier) -> None:
        """Connect in the background, and again when the connection is lost."""
        from hiprobe.sinks._mqtt_connection import Connection, Greeting

        available = f"{self._prefix}/{AVAILABLE}"
        greeting = Greeting(
            available,
            lambda: [*verifier.connected(), (available, "online")],
            (self._topic,),
            verifier.heard,
        )
        self._connection = Connection(self._address, self._where, greeting, self._tls)

    def publish(self, line: Any) -> None:
        """Publish an answer; raises SinkFailed if the broker does not acknowledge it."""
        assert self._connection is not None, "connected before anything is verified"
        self._connection.send(f"{self._prefix}/{TOPIC}", json.dumps(line))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close([(f"{self._prefix}/{AVAILABLE}", "offline")])


def _run_until(verifier: FrigateVerifier, stop: Any) -> None:
    """Verify in a thread until a signal comes; raises the error that has ended it."""
    from threading import Thread

    from hiprobe.errors import ModelError

    thread = Thread(target=verifier.run, name="model", daemon=True)
    thread.start()
    while not stop.came and thread.is_alive():
        thread.join(0.25)
    verifier.close()
    thread.join(END_S)
    if verifier.failure is not None:
        raise verifier.failure
    if not stop.came:
        raise ModelError("verifying has ended by an unexpected error")


def _told(check: ReviewCheck) -> None:
    from hiprobe.cli._terminal import markup, say

    score = "" if check.score is None else f", score {check.score:.3f}"
    seen = None if check.event is None else check.event.explanation
    words = f": {markup(seen or check.reason or '')}" if seen or check.reason else ""
    line = check.line()
    say(f"[bold]{markup(line['camera'])}[/] {line['start']} {check.result}{score}{words}")


def _told_as_json(check: ReviewCheck) -> None:
    from hiprobe.cli._terminal import emit

    emit(check.line())
