"""What a diagnosis tells: findings, and the kinds of them, each declared once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dlc.runtime.written_numbers import written, written_apart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.runtime.diagnosis.course import Course

DIGITS = 3  # of a number of a sentence


@dataclass(frozen=True)
class Finding:
    """What is found in a run: its kind and title, the evidence as a sentence with its numbers, and what to
    do, in the language of the spec. `lines` are the places in the spec, `phase` the name of the phase."""

    kind: str
    title: str
    evidence: str
    fix: str
    lines: tuple[int, ...] = ()
    phase: str = ""


class Kind(ABC):
    """A kind of finding. The docstring of a kind says what it is, and `rule` and `remedy` when it is told and
    what can be done, for the documentation. Where a run has no evidence, a kind finds nothing."""

    name: ClassVar[str]
    title: ClassVar[str]
    rule: ClassVar[str]
    remedy: ClassVar[str]
    explains: ClassVar[tuple[str, ...]] = ()  # the kinds that it is the cause of, which are not told then

    @abstractmethod
    def find(self, course: Course, found: Mapping[str, Finding]) -> Finding | None:
        """What is found in the course of a phase, or nothing. `found` are the findings of kinds before it."""
        raise NotImplementedError

    def told(self, course: Course, evidence: str, fix: str, lines: tuple[int, ...] = ()) -> Finding:
        return Finding(self.name, self.title, evidence, fix, tuple(sorted({*lines})), course.name)


def number(value: float) -> str:
    """A number of a sentence."""
    return written(value, DIGITS)


def pair(first: float, second: float) -> tuple[str, str]:
    """Two numbers of a sentence, which shows whether they differ."""
    return written_apart(first, second, DIGITS)


def percent(share: float) -> str:
    if 0 < share < 5e-4:
        return "less than 0.1 %"
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"


def listed(words: list[str]) -> str:
    """`a, b and c`; of many, the first three."""
    if len(words) > 4:
        return f"{', '.join(words[:3])} and {len(words) - 3} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
