"""Which probe and which model a command uses when it is not told."""

from __future__ import annotations

import filecmp
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hiprobe.cli import _quiet
from hiprobe.errors import UsageError

if TYPE_CHECKING:
    from hiprobe.backbones import Loading
    from hiprobe.probe import Probe
    from hiprobe.store.local_places import FittedOn

HERE = Path("probe.safetensors")
FIT_YOUR_OWN = (
    "; it does not know your cameras, so fit your own on a few clips of them: hiprobe fit CLIPS"
)


@dataclass(frozen=True)
class ChosenProbe:
    """A probe, its file, and what `fit` was given for it on this machine, if that is known."""

    probe: Probe
    path: Path
    fit: FittedOn | None = None

    def loading(
        self, model: str, revision: str | None, device: str, dtype: str, whole: bool
    ) -> Loading:
        """Return how to load `model`: whole to ask it something, else up to the deepest layer read.

        Without a `revision` it is the one that the probe was fitted with, if that is its model.
        """
        from hiprobe import backbones

        recipe = self.probe.recipe
        own = recipe.revision if recipe.model == model else None
        deepest = None if whole else backbones.deepest(self.probe.sites)
        return backbones.Loading(model, revision or own, device, dtype, deepest)

    @property
    def named(self) -> str:
        """The file and the first digits of the digest."""
        from hiprobe.embedded import PROBE

        shipped = self.path == PROBE
        where = "the probe shipped with hiprobe" if shipped else str(self.path)
        return f"{where} ({self.probe.digest[:8]})"


def choose_probe(given: Path | None, out: Path, method: str | None = None) -> ChosenProbe:
    """Load the probe that was given, or that of `out`, of the working folder or of the package.

    Raises UsageError if `method` is not the probe's.
    """
    from hiprobe.embedded import PROBE
    from hiprobe.store.local_places import load_places

    if given is not None and is_on_hub(given):
        probe = load_probe(given, method)
        return ChosenProbe(probe, Path(str(probe.source)), shipped_fit(probe))
    places = [given] if given is not None else [out / HERE.name, HERE, PROBE]
    path = next((one for one in places if os.path.exists(one)), places[-1])
    probe = load_probe(path, method)
    known = (load_places(folder).fits.get(probe.digest) for folder in (path.parent, out))
    fit = next((fit for fit in known if fit is not None), None)
    return ChosenProbe(probe, path, fit or shipped_fit(probe))


def is_on_hub(given: Path) -> bool:
    """Tell whether what was given is `org/name@revision` and no file of that name is here."""
    from hiprobe.hub import HubPlace

    return HubPlace.parse(str(given)) is not None and not os.path.lexists(given)


def shipped_fit(probe: Probe) -> FittedOn | None:
    """Return what the shipped probe was fitted on, wherever the package is now; else None."""
    from hiprobe.embedded import CLIPS, PROBE, STATES
    from hiprobe.store.local_places import FittedOn

    if not PROBE.is_file() or probe.digest != load_probe(PROBE, None).digest:
        return None
    return FittedOn(data=str(CLIPS), store=str(STATES))


def say_choice(chosen: ChosenProbe, model: str) -> None:
    """Say which probe and model are used; warn of a newer probe in the working folder.

    The shipped probe comes with the advice to fit one.
    """
    from hiprobe.cli._terminal import markup, warn
    from hiprobe.embedded import PROBE

    advice = FIT_YOUR_OWN if chosen.path == PROBE else ""
    named = f"probe: [bold]{markup(chosen.named)}[/], model {markup(model)}"
    _quiet.say_first(f"{named}{advice}")
    if HERE.is_file() and HERE.resolve() != chosen.path.resolve() and _newer(HERE, chosen):
        warn(f"{HERE} is newer and is another probe; to use it, give -p {HERE} --again")


def _newer(path: Path, chosen: ChosenProbe) -> bool:
    from hiprobe.embedded import PROBE

    if (
        chosen.path == PROBE
        or chosen.probe.source
        or path.stat().st_mtime <= chosen.path.stat().st_mtime
    ):
        return False
    # Not loaded: it may be damaged or of another method, and it is not used.
    return not filecmp.cmp(path, chosen.path, shallow=False)


def load_probe(path: Path, method: str | None) -> Probe:
    """Load a probe; raise UsageError if there is none, or if `method` is not the probe's."""
    probe = read_probe(path, method)
    if method is not None and method != probe.method:
        raise UsageError(
            f"the probe was fitted with method {probe.method}, not {method}",
            where=path,
            cure="leave --method out",
        )
    return probe


def read_probe(path: Path, method: str | None) -> Probe:
    """Read a probe from a file or, given `org/name@revision`, from the hub; raises ProbeError."""
    from hiprobe.probe import Probe

    if is_on_hub(path):
        return Probe.from_hub(str(path), method=method)
    return Probe.load(path, method=method)


def choose_model(given: str | None, chosen: ChosenProbe) -> str:
    """Return the name of the model that was given, or else of the probe's model.

    Raises UsageError if the probe's model can only be loaded by a name that is not known here.
    """
    from hiprobe import backbones
    from hiprobe.types import EXTERNAL

    if chosen.probe.recipe.model.startswith(EXTERNAL):
        raise UsageError(
            "the probe was fitted on states that another tool read, which hiprobe cannot read from "
            "a video",
            where=chosen.path,
            cure="score states of that tool in Python: docs/states.md says how",
        )
    if given is not None:
        return given
    fitted = None if chosen.fit is None else chosen.fit.model
    if fitted is not None and Path(fitted).is_dir():
        return fitted
    found = None if fitted else backbones.name_of(chosen.probe.recipe.model)
    if found is None:
        raise UsageError(
            f"the probe was fitted with a model that is not known here: "
            f"{fitted or chosen.probe.recipe.model}",
            where=chosen.path,
            cure=f"give --model {fitted or 'FOLDER'}",
        )
    return found
