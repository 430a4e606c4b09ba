"""Entries of targets that count, and those that `ignore=` in the type of an output leaves out."""

from __future__ import annotations

from typing import Any

from dlc.compiler.operators.base import Operator
from dlc.compiler.types import Tensor

LOWEST = -(2**63)  # an ignored integer: padding of an `int64` target


class Valid(Operator):
    """True where an entry of a target counts: a class that is not -1, a number that is not NaN
    (torch `isnan`)."""

    elementwise = True
    public = False
    training_only = True
    leaves_out_ignored = True
    takes = "any"

    def type(self, target: Tensor) -> Tensor:
        return target.with_element("bool")

    def torch(self, F, target):
        return torch_valid(F, target, self.operands[0])


def torch_valid(F: Any, target: Any, type: Tensor) -> Any:
    """The mask of the entries that count."""
    if type.element == "class":
        return target >= 0
    if type.is_float:
        return ~target.isnan()
    return target != LOWEST if type.ignore else F.ones_like(target, dtype=F.bool)


def torch_ignored(F: Any, type: Tensor) -> Any:
    """The value of an ignored entry; 0 if the type has none."""
    if not type.ignore:
        return 0
    return -1 if type.element == "class" else F.nan if type.is_float else LOWEST
