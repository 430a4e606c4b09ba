"""The result of `dlc new`, and what the kind of the files decides of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FirstSpec:
    """The text of a spec, and notes for the user: what was decided that may be wrong."""

    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class NetworkOfFiles:
    """The declaration of the input, the lines of the flow to `kind`, the source with the place of its path,
    and the training: steps in all, and files in a batch."""

    input: str
    flow: tuple[str, ...]
    source: str
    steps: int
    batch: int
