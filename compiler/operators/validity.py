"""Entries of targets that count, and those that `ignore=` in the type of an output leaves out."""

from __future__ import annotations

from typing import Any

from dlc.compiler.operators.base import Operator
from dlc.compiler.types import Tensor


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
    return ~target.isnan() if type.is_float else F.ones_like(target, dtype=F.bool)


def torch_ignored(F: Any, type: Tensor) -> Any:
    """The value of an ignored entry; 0 if the type has none."""
    return 0 if not type.ignore else -1 if type.element == "class" else F.nan
