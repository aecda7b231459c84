"""`hiprobe watch`: cameras to alerts, until it is stopped."""

from __future__ import annotations

import getpass
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hiprobe.cli import _chosen, _run
from hiprobe.cli._live_page import LivePage, guard_of
from hiprobe.cli._localization import (
    Confirm,
    EventOptions,
    Extend,
    Merge,
    MinLength,
    Named,
    Refine,
    Sigma,
    SmoothingKind,
    Threshold,
)
from hiprobe.cli._options import (
    AsJson,
    Device,
    Dtype,
    ModelOfProbe,
    Revision,
    Verify,
    check_range,
)
from hiprobe.cli._page_options import LOOPBACK, PORT, AllowHost, Host, Port, Token, Who
from hiprobe.cli._watch_checks import check_places, check_watch
from hiprobe.cli._watching import Attached, Sinks, Terminal, private_files, run_watcher
from hiprobe.errors import UsageError

if TYPE_CHECKING:
    from hiprobe.backbones import Backbone
    from hiprobe.live.cameras import Watch
    from hiprobe.live.destinations import Destination
    from hiprobe.live.learning import Learning
    from hiprobe.live.watcher_options import WatcherOptions
    from hiprobe.probe import Probe

TOML = ".toml"
SHORT_H = 6.0  # hours to learn in, too few to keep what anybody would want


def watch(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="A TOML file of cameras, and then the names of those to watch, by default all; or "
            "addresses: rtsp://, http(s)://, /dev/video0, or files, which are played in real time.",
        ),
    ],
    probe: Annotated[
        Path | None,
        typer.Option(
            "--probe",
            "-p",
            help="A probe made by hiprobe fit, or org/name@revision of the hub. Default: that of "
            "the TOML file, then probe.safetensors in the working folder, then the one shipped "
            "with hiprobe. A probe that the watcher went over to counts instead of the one it was "
            "first given.",
        ),
    ] = None,
    model: ModelOfProbe = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="The folder in which the watcher keeps alerts, clips and what is not delivered. "
            "Default: that of the TOML file, else watch."
        ),
    ] = None,
    sink: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TARGET",
            help="Also send alerts to a sink: jsonl, webhook, mqtt, apprise, frigate or "
            "module:attribute, for example webhook=https://example.org/alerts. Repeatable.",
        ),
    ] = None,
    speed: Annotated[
        float, typer.Option(help="Play files so many times as fast as they were recorded.")
    ] = 1.0,
    explain: Annotated[
        bool, typer.Option(help="Let the model explain each alert in words.")
    ] = True,
    verify: Verify = True,
    where: Annotated[
        bool,
        typer.Option(
            "--where/--no-where",
            help="Also find where in the picture the score of each alert comes from. The model "
            "reads 17 more segments for each alert.",
        ),
    ] = True,
    clips: Annotated[
        bool, typer.Option("--clips/--no-clips", help="Keep footage of alerts.")
    ] = True,
    threshold: Threshold = None,
    localization: Named = None,
    smoothing: SmoothingKind = None,
    sigma: Sigma = None,
    extend: Extend = None,
    min_length: MinLength = None,
    merge: Merge = None,
    refine: Refine = None,
    confirm: Confirm = None,
    learn: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Watch one camera for so long, such as 2h or 3d, while nothing happens there, and "
            "set the level from which on its events are alerts. No alerts are raised meanwhile.",
        ),
    ] = None,
    false_alarms: Annotated[
        float | None,
        typer.Option(
            "--false-alarms-per-day",
            metavar="N",
            help="With --learn: so many false alarms per day at most. Default: the fewest that the "
            "time can show.",
        ),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan", help="Measure how many cameras this machine can watch, and watch none."
        ),
    ] = False,
    page: Annotated[
        bool,
        typer.Option(
            "--page/--no-page",
            help="Serve a page to see cameras and to judge alerts, with /metrics and /healthz.",
        ),
    ] = True,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="The clips that the probe was fitted on, if they are not where fit found them. "
            "Their labels count when a judgement on the page refits the probe."
        ),
    ] = None,
    host: Host = LOOPBACK,
    port: Port = PORT,
    token: Token = None,
    allow_host: AllowHost = None,
    who: Who = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="The module:attribute that the probe was fitted with. Its code is "
            "imported, so name it only if you trust it."
        ),
    ] = None,
    revision: Revision = None,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Watch cameras: raise an alert within two segments, check and explain it, and end it.

    An alert is new, updated with what is found out about it, and then ended, or withdrawn if the
    rule of hiprobe detect finds no event there. One that the model rejects gets severity low. All
    of it goes to the sinks, and nothing is lost if the watcher or a receiver is restarted. A camera
    that cannot be reached is tried again.

    SIGTERM or Ctrl-C ends and stores open alerts within five seconds.
    """
    from hiprobe.live.closer_look import LookOptions
    from hiprobe.live.learning import load_levels
    from hiprobe.live.watcher_options import WatcherOptions

    check_range("--speed", "speed", speed)
    if false_alarms is not None:
        check_range("--false-alarms-per-day", "false alarms per day", false_alarms)
        if learn is None:
            raise UsageError("--false-alarms-per-day is for --learn", cure="add --learn TIME")
    asked = _asked(sources, speed, state)
    task = None if learn is None else _learning(learn, false_alarms, asked)
    destinations = _destinations(asked, sink or ())
    guard = guard_of(host, port, token, allow_host) if page else None
    begun, chosen = _chosen_probe(probe, asked, method)
    name = _chosen.choose_model(model or asked.model, chosen)
    _chosen.say_choice(chosen, name)
    events = EventOptions(
        threshold, sigma, min_length, merge, localization, smoothing, extend, refine, confirm
    )
    rules = events.over_probe(chosen.probe)
    options = WatcherOptions(
        looks=LookOptions(verify=verify, explain=explain, where=where),
        localization=None if rules == chosen.probe.localization else rules,
        levels=load_levels(asked.state),
        record=clips,
        given=begun.probe.digest,
    )
    check_watch(asked, chosen.probe, options)
    loading = chosen.loading(name, revision, device, dtype, True)
    if plan:
        _say_plan(asked, _run.load_backbone(loading), chosen.probe)
        return
    check_places(asked, destinations)
    if task is not None:
        _learn(task, asked.state, _run.load_backbone(loading), chosen.probe, options)
        return
    terminal = Terminal(as_json)
    shown = LivePage(guard, chosen, who or _login(), terminal.report, name, labels)
    checked = verify and chosen.probe.verification is not None
    sinks = Sinks(destinations, terminal, checked, explain)
    shown.sinks, shown.forget = sinks.states, sinks.forget
    attached = Attached([shown, sinks, terminal], terminal)
    _watch(asked, _run.load_backbone(loading), options, shown, attached)


def _asked(sources: list[str], speed: float, state: Path | None) -> Watch:
    """Return what is to be watched, and where its state is kept."""
    from hiprobe.live.cameras import STATE, Watch, cameras_of, load

    if sources[0].endswith(TOML):
        found = load(sources[0])
        known = {one.name: one for one in found.cameras}
        for name in sources[1:]:
            if name not in known:
                raise UsageError(
                    f"there is no camera {name!r}",
                    where=sources[0],
                    cure=f"name {' or '.join(known)}, or nothing for all",
                )
        if len(sources) > 1:
            found = replace(
                found, cameras=tuple(known[name] for name in dict.fromkeys(sources[1:]))
            )
    else:
        found = Watch(cameras_of(sources, speed), state=Path(STATE))
    return found if state is None else replace(found, state=state)


def _destinations(asked: Watch, given: list[str] | tuple[str, ...]) -> list[Destination]:
    """Return the sinks of the TOML file and of the options."""
    from hiprobe.live.destinations import Destination, check_sink_names

    found = [Destination(**vars(one)) for one in asked.sinks]
    for option in given:
        name, equals, target = option.partition("=")
        if not (name and equals and target):
            raise UsageError(f"--sink must be NAME=TARGET, got {name}", cure="see --help")
        plain = name.rpartition(":")[2]
        found.append(Destination(_free(plain, found), name, target))
    check_sink_names(found)
    return found


def _free(name: str, found: list[Destination]) -> str:
    """Return the name of a sink, with a number if another one has it."""
    taken = {one.name for one in found}
    numbered = [name, *(f"{name}-{number}" for number in range(2, len(found) + 2))]
    return next(one for one in numbered if one not in taken)


def _chosen_probe(
    given: Path | None, asked: Watch, method: str | None
) -> tuple[_chosen.ChosenProbe, _chosen.ChosenProbe]:
    """Return the probe that the watcher is given, and the one to begin with.

    They differ if a watcher of this folder that was given the same probe went over to another. It
    was refitted from the same clips, with the same model.
    """
    from hiprobe.live.state_folder import continued

    named = given or (None if asked.probe is None else Path(asked.probe))
    nowhere = Path(os.devnull)
    begun = _chosen.choose_probe(named, nowhere, method)
    later = continued(asked.state, begun.probe.digest)
    if later is None:
        return begun, begun
    found = _chosen.choose_probe(later, nowhere, method)
    return begun, found if found.fit is not None else replace(found, fit=begun.fit)


def _say_plan(asked: Watch, backbone: Backbone, probe: Probe) -> None:
    from hiprobe.cli._terminal import markup, say
    from hiprobe.live.plan import plan_cameras

    for line in plan_cameras(backbone, probe, asked.cameras[0]).lines():
        say(markup(line))


def _learning(text: str, wanted: float | None, asked: Watch) -> Learning:
    """Return what is to be learned; raises UsageError, or LabelError for too short a time."""
    from hiprobe.cli._terminal import warn
    from hiprobe.live.learning import Learning, check_time, fewest_per_day, parse_duration

    if len(asked.cameras) != 1:
        raise UsageError("--learn is for one camera", cure="name it after the TOML file")
    try:
        hours = parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--learn: {error}") from error
    found = Learning(asked.cameras[0], wanted or fewest_per_day(hours), hours)
    check_time(found.wanted, hours)
    if hours < SHORT_H:
        warn(
            f"in {text} a camera learns next to nothing: it may still raise "
            f"{fewest_per_day(hours):,.0f} false alarms per day; learn for days"
        )
    return found


def _learn(
    task: Learning, state: Path, backbone: Backbone, probe: Probe, options: WatcherOptions
) -> None:
    """Let one camera learn its level, and keep it for the watcher."""
    from hiprobe.cli._false_alarms import say_rate
    from hiprobe.cli._terminal import err, markup, say
    from hiprobe.live.learning import keep_level, learn, level_of

    with private_files():
        found = learn(task, state, backbone, probe, options, lambda line: err.print(markup(line)))
        keep_level(state, task.camera.name, level_of(found, probe))
    say_rate(found)
    say(f"camera {markup(task.camera.name)}: kept in {markup(state)} for hiprobe watch")


def _watch(
    asked: Watch, backbone: Backbone, options: WatcherOptions, page: LivePage, attached: Attached
) -> None:
    from hiprobe.live.watcher import Watcher

    with private_files():
        watcher = Watcher(asked, backbone, page.chosen.probe, options, attached.outlets(page))
        run_watcher(watcher, attached)


def _login() -> str:
    """Return the name of the user; containers may run as one without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"
