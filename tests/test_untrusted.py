"""Every place of the package that opens a file, with the reason why it may.

All other code reads through `hiprobe.disk.regular`, which opens only regular files up to a size, or
asks a child process. A new call that is not listed here fails.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import hiprobe
from hiprobe.disk import regular

HOUSE = Path(hiprobe.__file__).parent

# What opens, reads or maps a file, by the last part of its name, whatever it is called on.
OPENS = frozenset({
    *("open", "fdopen", "FileIO", "read_bytes", "read_text", "open_code"),
    *("ZipFile", "is_zipfile", "TarFile", "connect", "mmap"),
    *("copyfile", "copy2", "copytree", "move", "TemporaryFile", "NamedTemporaryFile"),
    *("memmap", "fromfile", "loadtxt", "genfromtxt", "imread", "parse_file"),
    *("safe_open", "load_file", "from_pretrained", "from_file"),
    *("snapshot_download", "hf_hub_download", "get_file", "put_file"),
    *("FileResponse", "StaticFiles"),
})  # fmt: skip
# Names that are common, so that only these forms count.
QUALIFIED = frozenset(
    {
        "np.load",
        "numpy.load",
        "json.load",
        "torch.load",
        "pickle.load",
        "tomllib.load",
        "marshal.load",
    }
)

SAFE = "reads what disk.regular has opened or read"
CHILD = "runs in the child process, which a file may crash"
WRITES = "writes a new file, and reads none"
OURS = "opens a file of the package"
SINK = "opens a sink, which writes"
MEMORY = "memory shared with a child, without a name on disk"

ALLOWED: dict[str, str] = {
    "disk/regular.py:_opened:os.open": "the one place: checked before and after it is opened",
    "disk/regular.py:open_regular:os.fdopen": "the one place: checked before and after it is opened",
    "disk/atomic.py:write_atomic:temporary.open": WRITES,
    "live/state_folder.py:StateFolder.__init__:os.open": "a lock: neither through a link nor waiting for a pipe",
    "live/state_folder.py:check_free:os.open": "the same lock",
    "store/files.py:alone:os.open": "a lock: neither through a link nor waiting for a pipe",
    "store/files.py:place_also:shutil.copyfile": "copies a video whose digest is known; refuses pipes",
    "store/index.py:_connect:sqlite3.connect": "after links and what is not a regular file were removed",
    "store/work_marks.py:OpenFolder.__init__:os.open": "holds the folder of the run open, reads nothing",
    "store/local_places.py:_write:os.open": WRITES,
    "store/local_places.py:_write:os.fdopen": WRITES,
    "disk/atomic.py:write_refusal:path.open": "tries whether a regular file may be written",
    "disk/atomic.py:write_refusal:tempfile.TemporaryFile": WRITES,
    "report/index_page.py:_page:?.read_text": OURS,
    "estimate/cache.py:processor:?.read_text": "a file of the kernel",
    "review/review_file.py:open_review_file:sqlite3.connect": "after refuse_odd_database",
    "store/states.py:map_array:np.memmap": SAFE,
    "store/given_states.py:_read_npz:np.load": SAFE,
    "store/given_states.py:_read_npz:zipfile.ZipFile": SAFE,
    "store/given_states.py:_read_npz:zipfile.is_zipfile": SAFE,
    "hub.py:fetch_file:hf_hub_download": "the hub's client, into its own cache",
    "datasets/shanghaitech.py:_mask:np.load": SAFE,
    "evaluation/frame_times.py:_load:np.load": SAFE,
    "evaluation/score_files.py:_read_npz:np.load": SAFE,
    "evaluation/score_files.py:_read_npz:zipfile.ZipFile": SAFE,
    "evaluation/score_files.py:_read_npz:zipfile.is_zipfile": SAFE,
    "evaluation/score_files.py:_npz:zipfile.ZipFile": "writes to memory",
    "evaluation/score_files.py:_npz:archive.open": "writes to memory",
    "evaluation/export.py:export_states:zipfile.ZipFile": WRITES,
    "evaluation/export.py:_write:archive.open": WRITES,
    "datasets/_tables.py:read_rows:read_text": "a function of this file, which uses read_regular",
    "datasets/_frames.py:lines:read_text": "a function of datasets, which uses read_regular",
    "datasets/_ucsd_calls.py:answer_ranges:read_text": CHILD,
    "video/container.py:_open:av.open": CHILD,
    "video/pictures.py:opened:Image.open": CHILD,
    "video/browser.py:encode:av.open": f"{CHILD}; {WRITES}",
    "video/cutting.py:copy_span:av.open": f"{CHILD}; {WRITES}",
    "live/stream_opening.py:_opened:av.open": CHILD,
    "live/footage.py:_OpenChunk.__init__:av.open": f"{CHILD}; writes to memory",
    "live/recorder_child.py:_of_piece:av.open": CHILD,
    "live/recorder_child.py:answer_clip:av.open": f"{CHILD}; {WRITES}",
    "live/spool.py:Spool.__init__:path.open": WRITES,
    "live/frigate_api.py:FrigateApi.clip:out.open": f"{WRITES}; of a folder of its own",
    "cli/verify.py:verify:broker.connect": "connects to a broker, not to a file",
    "backbones/_folder.py:_from_hub:snapshot_download": "the hub's client, into its own cache",
    "backbones/_processing.py:load_processor:AutoTokenizer.from_pretrained": "after _check_files",
    "backbones/_weights.py:load_config:AutoConfig.from_pretrained": "after _check_files",
    "backbones/_weights.py:load_weights:loader.from_pretrained": "after _check_files",
    "isolate/child.py:Link._grow:mmap.mmap": MEMORY,
    "isolate/parent.py:Child._make_room:mmap.mmap": MEMORY,
    "isolate/parent.py:_nameless_file:tempfile.TemporaryFile": MEMORY,
    "scale/pool.py:Pool.__enter__:connect": "connects to Ray, not to a file",
    "store/remote.py:fetch:fs.get_file": "an address that the user gave, by fsspec",
    "store/remote.py:pull:fs.get_file": "an address that the user gave, by fsspec",
    "store/remote.py:push:fs.put_file": "uploads what this program wrote",
    "video/sample.py:write_sample:av.open": "writes a video of its own in a new folder",
    "report/page.py:report_html:?.read_text": OURS,
    "cli/_sinks.py:SinkOutput.check:one.plugin.open": SINK,
    "cli/_sinks.py:_write_file:one.plugin.open": SINK,
    "live/destinations.py:Destination.opened:self.plugin.open": SINK,
    "live/sender.py:Sender._opened:self._to.plugin.open": SINK,
    "live/outbox.py:_connect:sqlite3.connect": "after refuse_odd_database",
    "sinks/jsonl.py:_opened:os.open": "appends, and removes a torn line of its own",
    "sinks/jsonl.py:_sync:os.open": "a folder, to sync it",
    "checks/sinks.py:SinkTrial.sent:self.plugin.open": SINK,
    "checks/sinks.py:_an_alert_is_in_the_file_when_write_returns:trial.plugin.open": SINK,
    "checks/sinks.py:_an_alert_is_in_the_file_when_write_returns:target.read_bytes": "reads what "
    "the sink under test wrote",
    "checks/sinks.py:_it_refuses_an_option_that_it_does_not_have:trial.plugin.open": SINK,
    "checks/sinks.py:SinkTrial.unreached:self.plugin.open": SINK,
    "checks/sinks.py:SinkTrial.written:self.plugin.open": SINK,
    "checks/sinks.py:SinkTrial.written:target.read_bytes": "reads what the sink under test wrote",
    "checks/sinks.py:_an_exception_leaves_the_file_as_it_was:trial.plugin.open": SINK,
    "checks/sinks.py:_an_exception_leaves_the_file_as_it_was:target.read_bytes": "reads what the "
    "sink under test wrote",
    "checks/sinks.py:_it_opens_something_to_write_and_close:trial.plugin.open": SINK,
    "checks/sinks.py:_nothing_is_written_before_it_is_closed:trial.plugin.open": SINK,
    "review/pages.py:media:FileResponse": "a video that Media found or made; it checks the kind",
    "review/live_pages.py:alert_clip:FileResponse": "a clip of the watcher's folder; live_media checks the kind",
    "review/live_pages.py:alert_snapshot:FileResponse": "a picture of the watcher's folder; live_media checks the kind",
    "review/pages.py:preview:FileResponse": "a picture that Media made; it checks the kind",
    "review/server.py:application:StaticFiles": OURS,
}


def called(node: ast.expr) -> str:
    """The dotted name of what is called; `?` for a part that is not a name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{called(node.value)}.{node.attr}"
    return "?"


def opening(node: ast.AST, inside: str = "") -> Iterator[tuple[str, ast.Call]]:
    """The calls below `node` that open a file, each with the function that it is in."""
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        where = f"{inside}.{child.name}".lstrip(".") if named else inside
        if isinstance(child, ast.Call):
            name = called(child.func)
            if name in QUALIFIED or name.rpartition(".")[2] in OPENS:
                yield inside, child
        yield from opening(child, where)


def found() -> dict[str, list[ast.Call]]:
    """Every opening call of the package, by `file:function:name`."""
    calls: dict[str, list[ast.Call]] = {}
    for file in sorted(HOUSE.rglob("*.py")):
        for inside, call in opening(ast.parse(file.read_text("utf-8"))):
            place = f"{file.relative_to(HOUSE)}:{inside}:{called(call.func)}"
            calls.setdefault(place, []).append(call)
    return calls


def test_the_search_sees_every_way_to_open_a_file() -> None:
    source = (
        "import os, av, json, sqlite3, numpy as np\nfrom pathlib import Path\n"
        "open('a')\nPath('a').open()\nPath('a').read_bytes()\nPath('a').read_text()\n"
        "os.open('a', 0)\nav.open('a')\nImage.open('a')\nnp.load('a')\nnp.memmap('a')\n"
        "sqlite3.connect('a')\njson.load(file)\nclass A:\n    def f(self):\n"
        "        with self.path.open() as file:\n            return lambda: io.open(file)\n"
    )
    names = [(inside, called(call.func)) for inside, call in opening(ast.parse(source))]
    assert len(names) == 13
    assert names[-2:] == [("A.f", "self.path.open"), ("A.f", "io.open")]


def test_files_are_opened_in_listed_places_only() -> None:
    places = found()
    new = sorted(set(places) - set(ALLOWED))
    assert not new, f"read through hiprobe.disk.regular, or give a reason in ALLOWED: {new}"
    gone = sorted(set(ALLOWED) - set(places))
    assert not gone, f"remove what is no longer called: {gone}"
    several = {"hub.py:fetch_file:hf_hub_download"}  # the first asks for the size only
    once = [
        calls for place, calls in places.items() if "checks/" not in place and place not in several
    ]
    assert all(len(calls) == 1 for calls in once)


UNPICKLED = {
    "training/checkpoints.py:latest": "a training run's own state, after its digest",
    "experiments/assembled/convert.py:read_pickle": "the published vision tower, after its digest",
}


def test_pickles_are_read_outside_the_package_in_listed_places_only() -> None:
    root = Path(__file__).parents[1]
    files = [file for top in ("src", "training", "experiments", "benchmarks", "fuzz", "examples")
             for file in sorted((root / top).rglob("*.py"))]  # fmt: skip
    calls = {
        f"{file.relative_to(root).as_posix()}:{inside}": call
        for file in files
        for inside, call in opening(ast.parse(file.read_text("utf-8")))
        if called(call.func) in ("torch.load", "pickle.load")
    }
    assert calls.keys() == UNPICKLED.keys()
    for call in calls.values():
        given = {one.arg: ast.unparse(one.value) for one in call.keywords}
        assert given["weights_only"] == "True"


def test_pictures_are_opened_as_the_kind_that_is_stated() -> None:
    """Without `formats`, Pillow starts Ghostscript for PostScript."""
    calls = [
        call for place, many in found().items() if place.endswith(":Image.open") for call in many
    ]
    assert calls
    assert all("formats" in {keyword.arg for keyword in call.keywords} for call in calls)


def test_the_size_limit_is_stated_wherever_a_file_is_read_as_a_whole() -> None:
    """`open_regular` may leave it out, for what is mapped or hashed in blocks."""
    readers = {"read_regular", "open_regular"}
    assert readers <= set(dir(regular))
    unlimited = set()
    for file in sorted(HOUSE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or called(node.func) != "open_regular":
                continue
            if len(node.args) < 2:
                unlimited.add(str(file.relative_to(HOUSE)))
    assert unlimited == {
        "live/recorder_child.py",  # footage, piece by piece
        "live/spool.py",  # only its lines
        "backbones/_folder.py",  # weights: their headers, and their digest in blocks
        "store/states.py",  # memory-mapped
        "video/container.py",  # a byte, and the first MiB
        "video/content.py",  # hashed in blocks, up to its own limit
    }
