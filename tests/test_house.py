"""The house: imports go down only, each heavy library has its one place, and `import hiprobe` costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import hiprobe

HOUSE = Path(hiprobe.__file__).parent
FLOORS = {
    "types": 1, "errors": 1, "plugins": 1,
    "saliency": 2, "localize": 2, "metrics": 2,
    "child": 2, "isolate": 2,
    "video": 3, "decode": 3, "decoder": 3, "sampling": 3, "proxy": 3, "frames": 3, "ahead": 3, "container": 3,
    "unreferenced": 2,
    "store": 3, "index": 3, "claims": 3, "results": 3, "methods": 3, "backbones": 3, "datasets": 3, "sinks": 3,
    "places": 3,
    "calibration": 4, "probe": 4, "refit": 5, "evaluation": 5, "pipeline": 5, "runs": 5, "spans": 5,
    "benchmark": 6, "export": 6, "figures": 6, "scale": 6, "report": 6, "picture": 6, "terminal": 6, "review": 7,
    "cli": 8,
}
FOLDERS = {"methods", "backbones", "datasets", "sinks"}
DATA = {"embedded"}  # holds files and says where they lie
BESIDE = {  # within one floor only these see each other
    ("plugins", "errors"), ("errors", "types"), ("types", "errors"),
    ("isolate", "child"),  # the two sides of one wire
    *(("decoder", below) for below in ("frames", "sampling", "proxy")),  # what runs in the decoder's process
    ("sampling", "decode"), ("sampling", "frames"), ("proxy", "sampling"), ("proxy", "decode"), ("proxy", "frames"),
    ("ahead", "video"),
    ("video", "frames"), ("frames", "decode"), ("frames", "container"), ("decode", "container"),
    ("datasets", "frames"),  # a folder of pictures in place of a file
    ("probe", "calibration"),  # what a probe is fitted on
    ("sinks", "store"),  # a sink's file is written atomically
    ("index", "store"), ("results", "store"), ("claims", "index"), ("claims", "results"),
    ("runs", "pipeline"), ("spans", "pipeline"),
    ("report", "picture"), ("figures", "picture"),
}
ONLY = {  # who may import a plug-in folder, beside itself
    "methods": {"probe", "calibration", "pipeline", "refit"}, "sinks": {"report", "picture", "review", "scale", "cli"},
    "backbones": {"pipeline", "spans", "benchmark", "review", "scale", "cli"},
    "datasets": {"evaluation", "benchmark", "export", "figures", "pipeline", "scale", "cli"},
}
HOME = {  # who may import a library
    "torch": {"backbones"}, "transformers": {"backbones"}, "tokenizers": {"backbones"}, "accelerate": {"backbones"},
    "av": {"decode", "container", "sampling", "proxy", "decoder", "frames"}, "ray": {"scale"}, "fsspec": {"places"},
    "fastapi": {"review"}, "starlette": {"review"}, "uvicorn": {"review"},
    "matplotlib": {"picture", "figures"}, "jinja2": {"report", "review"}, "typer": {"cli"},
    "rich": {"terminal", "report", "cli"},
    "numba": set(), "cv2": set(), "pickle": set(), "joblib": set(),
}


@dataclass(frozen=True)
class Import:
    """`line` of `file` imports `what`, a dotted name, of which `names` are taken."""

    file: Path
    line: int
    what: str
    names: tuple[str, ...]

    @property
    def room(self) -> str:
        return room_of(self.file)

    def __str__(self) -> str:
        return f"{self.file.relative_to(HOUSE)}:{self.line} imports {self.what} ({', '.join(self.names)})"


def room_of(file: Path) -> str:
    """The module or folder of the house that a file belongs to."""
    return file.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(file: Path) -> Iterator[Import]:
    """Every import that runs, inside functions too; what only a type checker reads is none."""
    yield from walk(ast.parse(file.read_text("utf-8")), file)


def walk(node: ast.AST, file: Path) -> Iterator[Import]:
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        for child in node.orelse:
            yield from walk(child, file)
        return
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(file, node.lineno, alias.name, ())
    if isinstance(node, ast.ImportFrom):
        here = ["hiprobe", *file.relative_to(HOUSE).parts[:-1]]
        base = here[:len(here) - node.level + 1] if node.level else []
        yield Import(file, node.lineno, ".".join([*base, *filter(None, [node.module])]),
                     tuple(alias.name for alias in node.names))
    for child in ast.iter_child_nodes(node):
        yield from walk(child, file)


def rooms(one: Import) -> list[str]:
    """The rooms of the house that an import leads to."""
    first, *rest = one.what.split(".")
    if first != "hiprobe":
        return []
    return [rest[0]] if rest else list(one.names)


FILES = sorted(file for file in HOUSE.rglob("*.py") if "__pycache__" not in file.parts)
ALL = [one for file in FILES for one in imports(file)]
INSIDE = [(one, room) for one in ALL for room in rooms(one) if room != one.room]


def test_the_walk_sees_imports_wherever_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "HOUSE", tmp_path)
    file = tmp_path / "methods" / "x.py"
    file.parent.mkdir()
    file.write_text("import torch.nn\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import av\nelse:\n"
                    "    import ray\ndef f():\n    from hiprobe import cli, store\n    def g():\n"
                    "        from hiprobe.video import find\ntry:\n    from .hiprobe import score\n"
                    "except ImportError:\n    from ..store import note\n")
    found = list(imports(file))
    assert [one.what for one in found] == ["torch.nn", "typing", "ray", "hiprobe", "hiprobe.video",
                                           "hiprobe.methods.hiprobe", "hiprobe.store"]
    assert [rooms(one) for one in found[3:]] == [["cli", "store"], ["video"], ["methods"], ["store"]]


def test_every_file_has_its_floor() -> None:
    unknown = {room_of(file) for file in FILES} - set(FLOORS) - DATA - {"__init__", "__main__"}
    assert not unknown, f"give a floor to {unknown}"
    assert {one.room for one, _ in INSIDE} >= {"cli", "pipeline", "probe", "report", "methods"}  # the walk sees them


def test_imports_go_down_only() -> None:
    wrong = [str(one) for one, room in INSIDE if one.room not in ("__init__", "__main__") and room not in DATA
             and FLOORS.get(room, 99) >= FLOORS.get(one.room, 0) and (one.room, room) not in BESIDE]
    assert not wrong, "\n".join(wrong)


def test_the_data_folder_is_reached_from_above_and_imports_nothing() -> None:
    assert {one.room for one, room in INSIDE if room in DATA} <= {"cli", "review", "scale"}
    assert [str(file.relative_to(HOUSE)) for file in FILES if room_of(file) in DATA] == ["embedded/__init__.py"]
    assert {one.what for one in imports(HOUSE / "embedded" / "__init__.py")} <= {"__future__", "pathlib"}


def test_plug_in_folders_are_blind_to_each_other_and_to_what_they_are_not_for() -> None:
    low = {room for room, floor in FLOORS.items() if floor < 3}
    wrong = [str(one) for one, room in INSIDE
             if one.room in FOLDERS and room not in low and (one.room, room) not in BESIDE]
    wrong += [str(one) for one, room in INSIDE if room in ONLY and one.room not in ONLY[room] | {"__init__"}]
    assert not wrong, "\n".join(wrong)


def test_the_pipeline_takes_only_the_protocol_of_a_backbone() -> None:
    taken = {name for one, room in INSIDE if one.room == "pipeline" and room == "backbones" for name in one.names}
    assert taken == {"Backbone"}


@pytest.mark.parametrize("library", HOME)
def test_a_library_has_its_one_place(library: str) -> None:
    wrong = [str(one) for one in ALL if one.what.split(".")[0] == library and one.room not in HOME[library]]
    assert not wrong, "\n".join(wrong)


def test_importing_hiprobe_or_its_command_line_loads_nothing_heavy() -> None:
    heavy = ("torch", "av", "sklearn", "scipy", "matplotlib", "transformers", "numpy", "ray", "jinja2", "PIL")
    program = ("import sys, hiprobe, hiprobe.errors\nfirst = set(sys.modules)\nimport hiprobe.cli\n"
               f"print(*[n for n in {heavy} if n in first], '|', *[n for n in {heavy} if n in sys.modules])")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "|"


def test_every_public_name_is_there_and_no_other() -> None:
    for name in dir(hiprobe):
        assert getattr(hiprobe, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        hiprobe.nonsense  # noqa: B018
