"""`python -m benchmarks gpu`: runs all parts, and writes each result immediately."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from benchmarks.gpu import PARTS
from benchmarks.gpu.checks import NO_TIME, ROOT, elapsed
from benchmarks.gpu.page import line, totals, write_page
from benchmarks.gpu.results import begun
from benchmarks.gpu.runner import rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.gpu import Part
    from benchmarks.gpu.results import Results

RESULTS, PAGE = ROOT / "docs" / "gpu-results.json", ROOT / "docs" / "gpu.md"
NO_GPU = 2


def main() -> int:
    """Exit code: 0 if all checks ran and passed, 1 if one failed or did not run, 2 without a GPU."""
    if not torch.cuda.is_available():
        print("no NVIDIA GPU: torch.cuda.is_available() is false; nothing was written", file=sys.stderr)
        return NO_GPU
    results = run(PARTS, torch.device("cuda"), RESULTS, PAGE)
    print(totals(results))
    print(f"{RESULTS.relative_to(ROOT)} and {PAGE.relative_to(ROOT)} are written", file=sys.stderr)
    return int(results.failed or any(row.error == NO_TIME for row in results.rows))


def run(parts: Sequence[Part], device: torch.device, path: Path, page: Path) -> Results:
    """Run parts in order; a part may use time that earlier parts did not need. The results and the page are
    written after each row, so that an interrupted run keeps its results."""
    began = time.monotonic()
    until, results = began, begun(device)
    for part in parts:
        until += part.seconds
        for row in rows_of(part, device, until):
            print(f"{part.name} {line(row)}", file=sys.stderr, flush=True)
            results = replace(results, rows=(*results.rows, row), seconds=elapsed(began))
            keep(results, path, page)
    results = replace(results, complete=True)
    keep(results, path, page)
    return results


def keep(results: Results, path: Path, page: Path) -> None:
    results.save(path)
    write_page(page, results)
