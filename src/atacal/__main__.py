"""``python -m atacal``: the command line."""

from __future__ import annotations

from atacal.cli import main

if __name__ == "__main__":
    main()
