"""A check, what it found, and the rows that the checks of a part give."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from dlc.compiler.diagnostics.quoting import shorten

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
NO_TIME = "no time was left"
LONGEST = 300  # characters of an error
Outcome = Literal["pass", "FAIL", "measured", "not run"]


@dataclass(frozen=True)
class Found:
    """A figure in words, the bound that it has to meet, and whether it does; no bound for a measurement."""

    figure: str
    bound: str = ""
    met: bool | None = None

    @property
    def outcome(self) -> Outcome:
        return "measured" if self.met is None else "pass" if self.met else "FAIL"


@dataclass(frozen=True)
class Check:
    """`run` gives what it found. With `gpu_only` it has nothing to show on a CPU."""

    what: str
    run: Callable[[], Found]
    gpu_only: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the results."""

    part: str
    what: str
    outcome: Outcome
    figure: str = ""
    bound: str = ""
    seconds: float = 0
    error: str = ""


def checks_of(module: str, device: torch.device, quick: bool = False) -> list[Check]:
    return list(import_module(module).checks(device, quick))


def row_of(part: str, check: Check, device: torch.device, until: float) -> Row:
    """Run a check, unless it is past `until` on the monotonic clock. An error is a row that says FAIL."""
    if check.gpu_only and device.type != "cuda":
        return Row(part, check.what, "not run", error="only a GPU can show it")
    if time.monotonic() >= until:
        return Row(part, check.what, "not run", error=NO_TIME)
    began = time.monotonic()
    try:
        found = check.run()
    except Exception as error:  # noqa: BLE001  whatever fails is a result
        return Row(part, check.what, "FAIL", seconds=elapsed(began), error=spelled(error))
    finally:
        release(device)
    return Row(part, check.what, found.outcome, found.figure, found.bound, elapsed(began))


def elapsed(began: float) -> float:
    return round(time.monotonic() - began, 2)


def spelled(error: Exception) -> str:
    """An error in one line, without the path of the clone."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}".replace(str(ROOT), ".")
    return shorten(text, LONGEST)


def release(device: torch.device) -> None:
    """Free what a check held."""
    gc.collect()
    if device.type == "cuda":
        try:
            torch.cuda.empty_cache()
        except RuntimeError:  # the context is lost: the next check says so
            return


def synchronize(device: torch.device) -> None:
    """Wait for what the device still computes."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
