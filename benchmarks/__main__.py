"""`python -m benchmarks` runs all benchmarks and writes `docs/benchmarks.md`; the exit code is 1 if a
target is missed. `python -m benchmarks gpu` runs the GPU checks and measurements, and writes `docs/gpu.md`;
`python -m benchmarks results` trains golden specs, and writes `docs/results.md`; `python -m benchmarks new`
trains the specs that `dlc new` writes for tables, and writes their section; `python -m benchmarks kills`
kills runs and resumes them.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.report import page, row, section, sections
from benchmarks.timing import Effort

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
PARTS = ("start", "training", "exporting", "recurrent", "transformers", "decoding", "memory")
GPU, RESULTS, NEW, KILLS = "gpu", "results", "new", "kills"


def main() -> int:
    what = "Benchmarks of dlc against handwritten PyTorch and its exporter."
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=what)
    only = f"measure only these, and write their sections of the page: {', '.join(PARTS)}"
    parser.add_argument("parts", nargs="*", metavar="PART", help=only)
    parser.add_argument("--quick", action="store_true", help="once each, on little data, and write nothing")
    wait = "per row: time to wait for an idle machine, and to repeat disturbed samples (60)"
    parser.add_argument("--patience", type=float, default=60, metavar="SECONDS", help=wait)
    parser.epilog = (
        "`gpu` alone runs the checks and measurements for an NVIDIA GPU, within 8 minutes. "
        "`results [SPEC ...]` trains these specs, or those that have changed, and writes docs/results.md. "
        "`new [TABLE ...]` trains what `dlc new` writes for tables, and writes its section if none is named. "
        "`kills [N]` kills N runs (100) at random moments, resumes them, and compares every bit."
    )
    asked = parser.parse_args()
    if asked.parts == [GPU]:
        return import_module("benchmarks.gpu.command").main()
    if asked.parts[:1] == [RESULTS]:
        return import_module("benchmarks.results").main(asked.parts[1:])
    if asked.parts[:1] == [NEW]:
        return import_module("benchmarks.first_specs").main(asked.parts[1:])
    if asked.parts[:1] == [KILLS]:
        return import_module("benchmarks.kills").main(asked.parts[1:])
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    effort = Effort(asked.quick, patience=0 if asked.quick else asked.patience)
    written, missed = sections(PAGE.read_text("utf-8")), False
    for part in asked.parts or PARTS:
        measured = []
        for comparison in import_module(f"benchmarks.{part}").compare(effort):
            print(row(comparison), file=sys.stderr, flush=True)
            measured.append(comparison)
        missed = missed or any(c.met == "no" for c in measured)
        written[part] = section(measured)
        print(written[part])
    if not asked.quick:
        PAGE.write_text(page(written), "utf-8")
    return int(missed and not asked.quick)


if __name__ == "__main__":
    sys.exit(main())
