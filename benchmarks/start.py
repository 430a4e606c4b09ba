"""The time of `dlc check` as a cold process, against importing the two packages that it needs."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.timing import Comparison, Effort, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parent.parent
DLC = Path(sysconfig.get_path("scripts")) / "dlc"
CHECK = (str(DLC), "check", "specs/resnet18.dl")
IMPORTS = (sys.executable, "-c", "import lark, click")


def compare(effort: Effort) -> Iterator[Comparison]:
    timing = effort.time(lambda: process(CHECK), lambda: process(IMPORTS), more=2)
    yield Comparison("`dlc check specs/resnet18.dl`, a cold process", '`python -c "import lark, click"`',
                     timing, 2, costs=True)  # fmt: skip


def process(command: Sequence[str]) -> float:
    """Seconds of a process that may read and write byte code."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return seconds(
        lambda: subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    )
