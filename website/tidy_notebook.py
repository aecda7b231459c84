"""Remove from an executed notebook what differs from run to run, and what is there twice."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def tidy(text: str) -> str:
    """Return the notebook without times, warnings, and plain text beside a table or a picture.

    >>> print(tidy('{"cells": [{"metadata": {"execution": {}}}]}'), end="")
    {
     "cells": [
      {
       "metadata": {}
      }
     ]
    }
    """
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        cell["metadata"].pop("execution", None)
        cell["outputs"] = [one for one in cell.get("outputs", []) if one.get("name") != "stderr"]
        for output in cell["outputs"]:
            if len(data := output.get("data", {})) > 1:
                data.pop("text/plain", None)
        if cell.get("cell_type") != "code":
            del cell["outputs"]
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        Path(name).write_text(tidy(Path(name).read_text("utf-8")), "utf-8")
