"""The record of one thing in which two programs differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

Kind = Literal[
    "param", "input", "output", "net", "layer", "loss", "weight", "setting", "expect", "import", "text"
]


@record
class Change:
    """One property of something that both programs have, or that one of them has: `units`, `makes`,
    `parameters`. A text is empty where the program lacks it."""

    what: str
    before: str
    after: str


@record
class Difference:
    """One thing in which two programs differ, as both write it.

    `kind` says what it is: a layer, or a node of a loss alone (`loss`); a declared `weight`; an average
    `net`; a `setting` of a section. `name` is the name of a layer or a declaration, or `train.optimizer.lr`.
    `before` and `after` are empty where a program lacks it, and the places then too; a place, `f.dl:7:6`, is
    also empty for what is not written. `changes` are the properties of a layer, an input or an output that
    differ. With `implied`, only shapes and numbers of weights differ, because other layers do. The kind
    `text` means that the texts alone differ.
    """

    kind: Kind
    name: str
    before: str
    after: str
    before_at: str = ""
    after_at: str = ""
    changes: tuple[Change, ...] = ()
    implied: bool = False

    def __str__(self) -> str:
        """`train.optimizer.lr: 0.001 -> 0.01`, or with `added` or `removed`."""
        what = self.name if self.kind == "setting" else f"{self.kind} {self.name}"
        if not self.before or not self.after:
            return f"{what} {'added' if self.after else 'removed'}: {self.before or self.after}"
        changed = ", ".join(f"{c.what} {c.before or 'none'} -> {c.after or 'none'}" for c in self.changes)
        return f"{what}: {changed or f'{self.before} -> {self.after}'}"


def both(text: Callable[[T], str], a: T | None, b: T | None) -> tuple[str, str]:
    """The texts of two things; empty for one that is missing."""
    return "" if a is None else text(a), "" if b is None else text(b)
