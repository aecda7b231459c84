"""Hold the textures of all places: drawn ones and photographs from Debian packages.

`python -m training.world.places.textures OUT` downloads the packages that `textures.tsv` names and
writes their photographs to OUT/textures.npz. Knows no places.
"""

from __future__ import annotations

import argparse
import csv
import functools
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from training.world.place import Rng
from training.world.places import fronts as f
from training.world.places import patterns as p
from training.world.places.patterns import SIDE
from training.world.shapes import Array

KINDS: dict[str, tuple[Callable[[Rng], Array], ...]] = {
    "floor": (p.tiles, p.tiles, p.checker, p.planks, p.parquet, p.terrazzo, p.concrete, p.carpet),
    "stone": (p.bricks, p.blocks, p.concrete),
    "wall": (p.plaster, p.plaster, p.plaster, p.bricks, p.blocks, p.tiles, p.panelled, p.wallpaper),
    "ground": (p.asphalt, p.concrete, p.paving, p.cobbles, p.gravel),
    "asphalt": (p.asphalt,),
    "paving": (p.paving, p.cobbles, p.tiles, p.concrete),
    "grass": (p.grass,),
    "leaves": (p.leaves,),
    "wood": (p.wood, p.planks),
    "metal": (p.corrugated, p.brushed, p.grille),
    "fabric": (p.fabric, p.carpet),
    "goods": (f.goods, f.goods, f.goods, f.bottles),
    "bottles": (f.bottles,),
    "books": (f.books,),
    "cartons": (f.cartons,),
    "clothes": (f.clothes,),
    "fridge": (f.fridge,),
    "facade": (f.houses, f.houses, f.offices),
    "shopfront": (f.shopfront,),
    "poster": (f.poster, f.board),
    "window": (f.window,),
    "door": (f.door,),
    "lockers": (f.lockers,),
    "machine": (f.machine,),
    "rack": (f.rack,),
    "screen": (f.screen,),
    "litter": (f.litter,),
    "mark": (p.dashes,),
    "zebra": (p.zebra,),
    "clutter": (f.clutter,),
}
NEUTRAL = ("floor", "wall", "stone", "ground", "asphalt", "paving", "wood", "metal", "fabric")
LIST = Path(__file__).with_name("textures.tsv")
DRAWN = {"goods": 48, "poster": 30, "shopfront": 20, "facade": 20, "floor": 40, "wall": 50}
CONTRAST = {"floor": (0.15, 0.9), "wall": (0.15, 0.9), "paving": (0.25, 0.9)}
BRIGHTNESS = 0.72  # mean of a texture that places may give any colour
WHOLE = ("facade", "poster", "door", "window", "clutter")  # squeezed to a square, not cut


@dataclass(frozen=True)
class Pool:
    """All textures: `pictures` (n, 128, 128, 3) uint8 and the numbers of those of each kind.

    The middle of a picture lies at its corners, because boxes put the corner in their middle.
    """

    pictures: Array
    kinds: dict[str, Array]

    def pick(self, rng: Rng, kind: str) -> int:
        """Draw the number of a texture of a kind."""
        numbers = self.kinds[kind]
        return int(numbers[rng.integers(0, len(numbers))])


def runs() -> Path:
    """Return the folder for data that is made, outside the repository."""
    return Path(os.environ.get("HIPROBE_RUNS") or Path.home() / ".cache" / "hiprobe-training")


@functools.cache
def pool() -> Pool:
    """Return all textures; the photographs only if the command above has made them."""
    pictures, kinds = _drawn()
    file = runs() / "textures.npz"
    if file.exists():
        with np.load(file, allow_pickle=False) as data:
            photos, more = data["pictures"], [str(kind) for kind in data["kinds"]]
        pictures, kinds = np.concatenate([pictures, photos]), kinds + more
    else:
        print(f"{file} is missing: using drawn textures only", file=sys.stderr)
    pictures = np.roll(_even(pictures, kinds), (SIDE // 2, SIDE // 2), (1, 2))
    names = np.array(kinds)
    return Pool(pictures, {str(kind): np.flatnonzero(names == kind) for kind in np.unique(names)})


def _drawn() -> tuple[Array, list[str]]:
    pictures, kinds = [], []
    for kind, makers in KINDS.items():
        rng = np.random.default_rng(zlib.crc32(kind.encode()))
        for _ in range(DRAWN.get(kind, 12)):
            picture = makers[rng.integers(0, len(makers))](rng)
            pictures.append((picture * 255).astype(np.uint8))
            kinds.append(kind)
    return np.stack(pictures), kinds


def _even(pictures: Array, kinds: list[str]) -> Array:
    """Make neutral textures equally bright and most of them paler, as surfaces are seen from afar.

    Changes `pictures` (n, 128, 128, 3) uint8 in place.
    """
    rng = np.random.default_rng(0)
    for n, kind in enumerate(kinds):
        if kind in NEUTRAL:
            one = pictures[n].astype(np.float32)
            one = 0.5 * one + 0.5 * one.mean(-1, keepdims=True)
            one = one * (BRIGHTNESS * 255 / one.mean())
            contrast = rng.uniform(*CONTRAST.get(kind, (0.4, 1.0)))
            pictures[n] = np.clip(one.mean() + contrast * (one - one.mean()), 0, 255)
    return pictures


def rows() -> list[dict[str, str]]:
    """Return the photographs to use: kind, package, path under /usr/share, licence and author."""
    with LIST.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def make(out: Path, packages: Path | None = None) -> Path:
    """Write the photographs of `textures.tsv` to out/textures.npz and return its path.

    `packages` is a folder with the Debian packages; without it they are downloaded (about 1 GB).
    """
    listed = rows()
    with tempfile.TemporaryDirectory() as folder:
        for package in sorted({row["package"] for row in listed}):
            deb = _package(package, packages or Path(folder))
            _unpack(deb, [r["path"] for r in listed if r["package"] == package], Path(folder))
        pictures = np.stack([_square(Path(folder), row) for row in listed])
    out.mkdir(parents=True, exist_ok=True)
    columns = {f"{key}s": np.array([row[key] for row in listed]) for key in listed[0]}
    np.savez_compressed(out / "textures.npz", allow_pickle=False, pictures=pictures, **columns)
    digest = hashlib.sha256(pictures.tobytes()).hexdigest()
    print(f"{out / 'textures.npz'}: {len(listed)} textures, sha256 of the pixels {digest}")
    return out / "textures.npz"


def _package(name: str, folder: Path) -> Path:
    found = sorted(folder.glob(f"{name}_*.deb"))
    if not found:
        subprocess.run(["apt-get", "download", name], cwd=folder, check=True)
        found = sorted(folder.glob(f"{name}_*.deb"))
    return found[-1].resolve()


def _unpack(deb: Path, paths: list[str], folder: Path) -> None:
    members = sorted({f"./usr/share/{path.split('!')[0]}" for path in paths})
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as archive:
        subprocess.run(["tar", "x", *members], stdin=archive.stdout, cwd=folder, check=True)


def _square(folder: Path, row: dict[str, str]) -> Array:
    """Read one photograph (128, 128, 3) uint8; what follows a `!` in its path is inside a jar."""
    path, _, member = row["path"].partition("!")
    file = folder / "usr" / "share" / path
    if member:
        with zipfile.ZipFile(file) as jar, jar.open(member) as stream:
            image = Image.open(stream).convert("RGB")
    else:
        image = Image.open(file).convert("RGB")
    if row["kind"] not in WHOLE:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Make the photographic textures.")
    parser.add_argument("out", type=Path, nargs="?", default=runs(), help="folder to write to")
    parser.add_argument("--packages", type=Path, help="folder that has the packages already")
    given = parser.parse_args(argv)
    make(given.out, given.packages)


if __name__ == "__main__":
    main()
