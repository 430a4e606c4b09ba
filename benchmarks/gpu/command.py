"""`python -m benchmarks gpu`: runs all parts, and writes each result as soon as it is there."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from benchmarks.gpu import PARTS
from benchmarks.gpu.checks import ROOT
from benchmarks.gpu.page import line, write_page
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
    """0 if all checks passed, 1 if one failed, 2 where there is no GPU."""
    if not torch.cuda.is_available():
        print("no NVIDIA GPU: torch.cuda.is_available() is false; nothing was written", file=sys.stderr)
        return NO_GPU
    results = run(PARTS, torch.device("cuda"), RESULTS, PAGE)
    print(f"{RESULTS.relative_to(ROOT)} and {PAGE.relative_to(ROOT)} are written", file=sys.stderr)
    return int(results.failed)


def run(parts: Sequence[Part], device: torch.device, path: Path, page: Path, quick: bool = False) -> Results:
    """Run parts in order. A part may use what earlier ones left of their time. The file of results is
    written after each row, the page after each part."""
    began = time.monotonic()
    until, results = began, begun(device)
    for part in parts:
        until += part.seconds
        for row in rows_of(part, device, until, quick):
            print(f"{part.name} {line(row)}", file=sys.stderr, flush=True)
            results = replace(
                results, rows=(*results.rows, row), seconds=round(time.monotonic() - began, 1),
                complete=False,
            )  # fmt: skip
            results.save(path)
        write_page(page, results)
    results = replace(results, complete=True)
    results.save(path)
    write_page(page, results)
    return results
