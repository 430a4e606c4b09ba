"""The file of results: every row that there is, whole at any moment."""

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
    """`complete` is false for a run that was cut off."""

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
    """The results in a file, none if there is no file."""
    if not path.exists():
        return None
    told = json.loads(path.read_text("utf-8"))
    return Results(**{**told, "rows": tuple(Row(**row) for row in told["rows"])})


def begun(device: torch.device) -> Results:
    """Results of this machine, with no rows yet."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return Results(
        date.today().isoformat(), name, driver(), machine(), f"{versions()}, CUDA {torch.version.cuda}"
    )


def driver() -> str:
    """The version of the NVIDIA driver, as its own tool tells it."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.split("\n")[0].strip()
