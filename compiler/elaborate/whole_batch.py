"""The check that values of the whole batch, which `batch(x)` makes, do not meet values of single samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.ir.graph import Value

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from dlc.compiler.operators.base import Operator


def check_operands(operator: Operator, operands: Iterable[Any], of_batch: Container[Value]) -> None:
    """Reject values of the whole batch beside values of single samples, and where an operator works on single
    samples."""
    values = [value for value in operands if isinstance(value, Value)]
    whole = next((value for value in values if value in of_batch), None)
    sample = next((value for value in values if value.type.batched), None)
    called = operator.symbol or operator.name
    if whole is not None and sample is not None:
        raise Reject(f"`{called}` of {whole.type} of the whole batch and {sample.type} of single samples",
                     help="`batch` makes the second one of the whole batch too; a reduction such as `mean` "
                          "makes the first one number")  # fmt: skip
    if whole is not None and not operator.batchless:
        raise Reject(f"`{called}` works on single samples, and {whole.type} is of the whole batch",
                     help="apply it before `batch`")  # fmt: skip
