"""`python -m hiprobe`: the command line, where the `hiprobe` script is not on the path."""

from __future__ import annotations

from hiprobe.cli import main

if __name__ == "__main__":
    main()
