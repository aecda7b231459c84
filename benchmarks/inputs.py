"""What each file of some folders gives: `python benchmarks/inputs.py FOLDER... > docs/data/inputs.md`.

Runs the command line as a user would, with a probe fitted on the shipped clips, and prints the manifest as a table.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from hiprobe import embedded

HEAD = """# What each test video gives

Real recordings, and files made to break decoders. They are not ours and not in the repository. This page was made by

    python benchmarks/inputs.py {folders} > docs/data/inputs.md

which fits a probe on the shipped clips and runs `hiprobe detect`; exit code {code}. The embedded model is of no use on
real footage: the number of events it reports there means nothing and is left out. What counts is that every file gives
scores over its whole length, or an error with its reason.

| file | status | seconds | segments | reason |
|---|---|---|---|---|"""


def main(folders: list[str]) -> None:
    """Prints the page."""
    hiprobe = str(Path(sys.executable).with_name("hiprobe"))
    with tempfile.TemporaryDirectory() as place:
        probe = f"{place}/probe.safetensors"
        subprocess.run(
            [hiprobe, "fit", str(embedded.CLIPS), "-o", probe, "--store", f"{place}/.store"],
            check=True,
            capture_output=True,
        )
        run = subprocess.run(
            [hiprobe, "detect", *folders, "--probe", probe, "-o", f"{place}/out", "--no-explain"],
            check=False,
            capture_output=True,
        )
        lines = [
            json.loads(line)
            for line in Path(f"{place}/out/manifest.jsonl").read_text().splitlines()
        ]
    print(HEAD.format(folders=" ".join(folders), code=run.returncode))
    for line in lines:
        length = f"{line['duration']:.2f}" if line["duration"] else ""
        print(
            f"| {line['name']} | {line['status']} | {length} | {line['segments'] or ''} | {line['reason'] or ''} |"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
