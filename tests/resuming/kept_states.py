"""The states that a run has kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def states(run: Path) -> list[int]:
    """The steps after which the states of a run were taken."""
    return sorted(int(path.stem) for path in (run / "states").glob("*.safetensors"))
