"""README and docs/ point at files, headings, paths, modules and tests that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
import typer
from tests.support.documents import faults, pages

import hiprobe
from hiprobe.cli._program import app

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
HISTORY = {"CHANGELOG.md"}  # may name what is gone
PAGES = sorted(
    page for page in (*REPOSITORY.glob("*.md"), *DOCS.rglob("*.md")) if page.name not in HISTORY
)
PACKAGE = REPOSITORY / "src" / "hiprobe"
TOP = "benchmarks|docs|examples|experiments|fuzz|src|tests|training"
MODULE = re.compile(r"python -m ((?:benchmarks|experiments|fuzz|training)[\w.]*)")
OUR_PATH = re.compile(rf"(?<![\w./-])(?:{TOP})/[\w./-]*[\w/](?![\w./*-]*[\w*])")
PACKAGE_PATH = re.compile(r"`(?!test_)([a-z_]+(?:/[a-z0-9_]+)*\.py)(?:`|: (\w+)`)")
# files that a recipe tells its reader to write
EXAMPLES = {"methods/nearest.py", "nearest.py", "printer.py", "audacity.py"}
A_COMMAND = re.compile(r"(?:`|^ *(?:\$ )?)(?:[A-Z_]+=\S+ )*hiprobe ([a-z][^`\n]*)", re.MULTILINE)
OPTION = re.compile(r"(?<!\S)--?[a-z][\w-]*")
PYTEST_NAME = re.compile(r"(?:(\w+\.py)::)?\b(test_\w+)(\*?)`")


def names_of(pattern: re.Pattern[str], page: Path) -> Iterator[str]:
    """What `pattern` finds in a page, each once."""
    yield from sorted(
        {match[1] if match.re.groups else match[0] for match in pattern.finditer(page.read_text())}
    )


@cache
def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = page.read_text()
    lines = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}
    return made | set(re.findall(r"^::: (\S+)$", text, re.MULTILINE))  # of generated references


@cache
def known_tests() -> set[tuple[str, str]]:
    """File name and name of every test function."""
    files = (REPOSITORY / "tests").rglob("test_*.py")
    return {
        (file.name, name)
        for file in files
        for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    }


def missing_links(page: Path) -> list[str]:
    """Relative links of a page whose file or heading does not exist."""
    lost = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        name, _, heading = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if "://" not in target and not (
            file.exists() and (not heading or heading in headings(file))
        ):
            lost.append(target)
    return lost


def missing_paths(page: Path) -> list[str]:
    """Return repository paths, files of the package and modules to run that do not exist."""
    ours = [path for path in names_of(OUR_PATH, page) if not (REPOSITORY / path).exists()]
    package = [
        f"{path}: {name}" if name else path
        for path, name in sorted(set(PACKAGE_PATH.findall(page.read_text())))
        if path not in EXAMPLES and not defines(path, name)
    ]
    modules = [name for name in names_of(MODULE, page) if not module_exists(name)]
    return ours + package + modules


def defines(path: str, name: str) -> bool:
    """Whether a file of the package or repository exists, and defines `name` if one is given."""
    files = [file for file in (PACKAGE / path, REPOSITORY / path) if file.exists()]
    wanted = re.compile(rf"^ *(?:def|class) {name}\b", re.MULTILINE)
    return bool(files) and (not name or bool(wanted.search(files[0].read_text())))


def module_exists(name: str) -> bool:
    """Whether a dotted name is a module or package of the repository."""
    path = REPOSITORY.joinpath(*name.rstrip(".").split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def missing_tests(page: Path) -> list[str]:
    """Return test functions named by a page that do not exist."""
    lost = []
    for file, name, star in PYTEST_NAME.findall(page.read_text()):
        prefix = star or name.endswith("_")
        if not any(
            (not file or file == where) and (test == name or (prefix and test.startswith(name)))
            for where, test in known_tests()
        ):
            lost.append(f"{file}::{name}{star}" if file else name + star)
    return lost


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_what_a_page_points_at_exists(page: Path) -> None:
    assert missing_links(page) == []
    assert missing_paths(page) == []
    assert missing_tests(page) == []


def test_a_wrong_pointer_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One\n[a](#one) [b](gone.md) [c](#two) [d](https://example.org)\n"
        "`video/ahead.py` `video/frames.py` `errors.py: Gone` `errors.py: StoreError` tests/gone.py\n"
        "`python -m benchmarks.gone`\n"
        "`test_gone` `test_house.py::test_gone` `test_20_*` `test_21_nothing_*`\n"
    )
    assert missing_links(page) == ["gone.md", "#two"]
    assert missing_paths(page) == [
        "tests/gone.py",
        "errors.py: Gone",
        "video/ahead.py",
        "benchmarks.gone",
    ]
    assert missing_tests(page) == ["test_gone", "test_house.py::test_gone", "test_21_nothing_*"]


def links_of(page: Path) -> set[Path]:
    """The files that a page links to."""
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    return {(page.parent / target).resolve() for target in targets if "://" not in target}


def test_no_decision_is_recorded_twice_or_out_of_order() -> None:
    """A joining of branches may repeat what both have."""
    entries = re.findall(r"(\n?)\n## (\S+): (.+)", (DOCS / "decisions.md").read_text())
    titles = [title for _, _, title in entries]
    days = [day for _, day, _ in entries]
    assert len(titles) > 50
    assert len(set(titles)) == len(titles)
    assert days == sorted(days, reverse=True), "newest first"
    assert all(blank for blank, _, _ in entries), "a blank line before each heading"


def test_every_page_can_be_reached_from_the_first_one() -> None:
    seen: set[Path] = set()
    todo = [DOCS / "README.md"]
    while todo:
        page = todo.pop()
        seen.add(page)
        todo += [one for one in links_of(page) - seen if one.suffix == ".md" and one.exists()]
    assert {page for page in DOCS.rglob("*.md") if page not in seen} == set()


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    """`make docs` says so too; here it costs nothing."""
    lines = [
        line.partition(" #")[0] for line in (REPOSITORY / "mkdocs.yml").read_text().split("\n")
    ]
    listed = re.findall(r"^ +- (?:[^#\n]+: )?([\w/]+\.md)$", "\n".join(lines), re.MULTILINE)
    outside = {"CHANGELOG.md", "CONTRIBUTING.md"}  # website/hooks.py adds them
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert sorted(set(listed) - outside) == sorted(pages)
    assert len(listed) == len(set(listed))


def test_every_module_is_in_the_reference_of_the_package() -> None:
    told = {
        name
        for page in (DOCS / "api").glob("*.md")
        for name in re.findall(r"^::: (hiprobe[\w.]*)$", page.read_text(), re.MULTILINE)
    }
    top = {getattr(hiprobe, name) for name in hiprobe.__all__}
    modules = {one.__name__ for one in top if isinstance(one, ModuleType)}
    assert modules - told == set()
    verbs = {
        f"{one.__module__.split('.')[1]}.{one.__name__}"
        for one in top
        if isinstance(one, FunctionType)
    }
    assert {f"hiprobe.{verb}" for verb in verbs} - told == set()


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_the_commands_of_a_page_can_be_found_and_run(page: Path) -> None:
    """`make check-long` runs them, except those with a mark that says why not."""
    assert faults(page) == []


def test_commands_that_would_not_be_run_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- not run: hub -->\n```sh\nhiprobe models\n```\n"  # 1 to 4, right
        "```\nhiprobe models\n```\n```text\nhiprobe fit\n```\n"  # 5 wrong, 8 right
        "    hiprobe models\n"  # 11
        "<!-- not run: hub -->\n\n```sh\nhiprobe models\n```\n"  # 12
        "<!-- not run: rain -->\n```sh\nhiprobe models\n```\n"  # 17
        "```bash\nhiprobe models\n```\n"  # 21
    )
    assert sorted(int(one.split(":")[1]) for one in faults(page)) == [5, 11, 12, 17, 21]


def test_documents_named_in_code_exist() -> None:
    files = [REPOSITORY / "Makefile", *REPOSITORY.glob("*/*.py"), *PACKAGE.rglob("*.py")]
    named = {name for file in files for name in re.findall(r"docs/[\w/.]*\w", file.read_text())}
    assert "docs/data/card.json" in named
    assert [name for name in sorted(named) if not (REPOSITORY / name).exists()] == []


def wrong_words(page: Path) -> list[str]:
    """Commands of hiprobe and their options, as a page writes them, that do not exist."""
    return [
        f"{line}: {word}"
        for line in A_COMMAND.findall(page.read_text())
        for word in wrong_words_of(re.sub(r"\s#.*|\".*?\"", "", line))
    ]


def wrong_words_of(line: str) -> Iterator[str]:
    """The first word that is no command, else every option that its command lacks."""
    command, words = typer.main.get_command(app), line.split()
    while words and (below := getattr(command, "commands", None)):
        word = words.pop(0).rstrip(".,;:")
        if word not in below:
            if word != "--help":
                yield word
            return
        command = below[word]
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    yield from (word for word in OPTION.findall(line) if word not in known | {"--help"})


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_the_commands_of_a_page_exist(page: Path) -> None:
    assert wrong_words(page) == []


def test_a_wrong_command_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`hiprobe fits` `A=1 hiprobe fit --modell M -x`\n    hiprobe fit a, --by\n")
    assert [one.rpartition(": ")[2] for one in wrong_words(page)] == [
        "fits",
        "--modell",
        "-x",
        "--by",
    ]
