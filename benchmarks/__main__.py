"""`python -m benchmarks` measures all and writes `docs/benchmarks.md`; a missed target ends it with 1.
`python -m benchmarks gpu` checks and measures what takes a GPU, and writes `docs/gpu.md`."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.report import page, row, table
from benchmarks.timing import Effort

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
PARTS = ("start", "training", "exporting")
GPU = "gpu"


def main() -> int:
    what = "How fast dlc is, next to what it stands in for."
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=what)
    only = f"measure only these, and write nothing: {', '.join(PARTS)}"
    parser.add_argument("parts", nargs="*", metavar="PART", help=only)
    parser.add_argument("--quick", action="store_true", help="once each, on little data, and write nothing")
    wait = "for each row: to wait for a machine that others use, and time again what they disturbed (60)"
    parser.add_argument("--patience", type=float, default=60, metavar="SECONDS", help=wait)
    parser.epilog = "`gpu` by itself checks and measures what takes an NVIDIA GPU, within 8 minutes."
    asked = parser.parse_args()
    if asked.parts == [GPU]:
        return import_module("benchmarks.gpu.command").main()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    effort = Effort(asked.quick, patience=0 if asked.quick else asked.patience)
    measured = []
    for part in asked.parts or PARTS:
        for comparison in import_module(f"benchmarks.{part}").compare(effort):
            print(row(comparison), file=sys.stderr, flush=True)
            measured.append(comparison)
    print(table(measured))
    if not asked.parts and not asked.quick:
        PAGE.write_text(page(measured), "utf-8")
    return int(not asked.quick and any(c.met == "no" for c in measured))


if __name__ == "__main__":
    sys.exit(main())
