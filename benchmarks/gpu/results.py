"""The file of results. It is complete JSON at every moment."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING

import torch

from benchmarks.gpu.checks import Row
from benchmarks.report import machine, versions
from dlc.runtime.files import write

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Results:
    """The results of a run; `complete` is false for an interrupted run."""

    date: str
    device: str
    driver: str
    machine: str
    versions: str
    rows: tuple[Row, ...] = ()
    seconds: float = 0
    complete: bool = False

    @property
    def failed(self) -> bool:
        return any(row.outcome == "FAIL" for row in self.rows)

    def save(self, path: Path) -> None:
        write(path, (json.dumps(asdict(self), indent=1) + "\n").encode())


def load(path: Path) -> Results | None:
    """The results in a file; None if it does not exist."""
    if not path.exists():
        return None
    stored = json.loads(path.read_text("utf-8"))
    return Results(**{**stored, "rows": tuple(Row(**row) for row in stored["rows"])})


def begun(device: torch.device) -> Results:
    """Empty results of this machine."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return Results(
        date.today().isoformat(), name, driver(), machine(), f"{versions()}, CUDA {torch.version.cuda}"
    )


def driver() -> str:
    """The version of the NVIDIA driver, from `nvidia-smi`."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.split("\n")[0].strip()
