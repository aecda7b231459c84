"""Every command of the documentation does what its page says: run in order, in a prepared folder.

The folder has the names that the pages use: `clips/`, `shop/`, `videos/` and so on. Commands that
read a model from the hub are run with the embedded one, where the page says so in a mark.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.support.documents import REPOSITORY, Block, blocks, pages

from hiprobe import embedded

pytestmark = pytest.mark.long
LONGEST_S = 3600  # a block; the machine may be busy
INSTALLED = "pip() { echo left out: pip $*; }\n"  # what is to be installed is here
SERVES = re.compile(
    r"^((?:[A-Z_]+=\S+ )*)(hiprobe (?:review|watch|verify)\b)(?!.*--(?:plan|help))", re.M
)
WITH_COMMANDS = [page for page in pages() if any(one.left_out is None for one in blocks(page))]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with what the pages name: the shipped clips and video, under several names."""
    clips = shutil.copytree(embedded.CLIPS, tmp_path / "clips")
    rows = list(csv.DictReader((clips / "labels.csv").open(encoding="utf-8")))
    with (clips / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, dict.fromkeys([*rows[0], "split"]))
        writer.writeheader()
        for row in rows:
            early = int(re.findall(r"\d+", row["path"])[0]) < 7
            writer.writerow({**row, "split": "train" if early else "test"})
    (tmp_path / "labels.csv").write_text("path,label,start,end\nshop.mp4,fight,6.2,11.6\n")
    shutil.copytree(clips, tmp_path / "videos")
    for folder in ("shop", "archive"):
        (tmp_path / folder).mkdir()
        shutil.copy(embedded.VIDEO, tmp_path / folder / "front_20261129_090000.mp4")
    for name in ("shop.mp4", "video.mp4", "VIDEO"):
        shutil.copy(embedded.VIDEO, tmp_path / name)
    (tmp_path / "shop-normal").mkdir()
    for path in clips.glob("normal_*.mp4"):
        shutil.copy(path, tmp_path / "shop-normal")
    shutil.copy(embedded.PROBE, tmp_path / "probe.safetensors")
    (tmp_path / "cameras.toml").write_text(f'[[camera]]\nname = "yard"\nurl = "{embedded.VIDEO}"\n')
    return tmp_path


def ran(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one block as a reader would, without the network."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([".", str(REPOSITORY), str(REPOSITORY / "src")]),
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "200",
    }
    wrapped = rf"\1{sys.executable} -m tests.support.until_serving \2"
    text = block.runnable.replace("PYTHONPATH=. ", "PYTHONPATH=.:$PYTHONPATH ")  # and this checkout
    command = (
        [sys.executable, "-c", text]
        if block.python
        else ["bash", "-eo", "pipefail", "-c", INSTALLED + SERVES.sub(wrapped, text)]
    )
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
    )


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page: Path, world: Path, counted: Counter[str]) -> None:
    failed = []
    for block in blocks(page):
        if block.left_out is not None:
            continue
        counted["blocks of the documentation run"] += 1
        counted["of these with other words, such as embedded for a model"] += (
            "run with" in block.marks
        )
        if block.saved_as:
            (world / f"{block.saved_as}.py").write_text(block.text)
            continue
        done = ran(block, world)
        if done.returncode != block.code:
            said = (done.stdout + done.stderr)[-2000:]
            failed.append(f"{block.where}: exit code {done.returncode}\n{block.runnable}\n{said}")
    assert not failed, "\n\n".join(failed)
