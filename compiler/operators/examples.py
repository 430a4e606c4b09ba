"""Examples of operators. Tests and documentation are generated from them."""

from __future__ import annotations

from dlc.compiler.record import record


@record
class Example:
    """An example for tests and documentation: a call, the types of its operands, the type of its result.

    `low` and `high` bound the random values of the operands. An example with `rejects` is an error: the call
    must be rejected with that code.
    """

    call: str
    takes: str | tuple[str, ...]
    gives: str | tuple[str, ...] = ""
    low: float = -2.0
    high: float = 2.0
    rejects: str = ""

    @property
    def operands(self) -> tuple[str, ...]:
        return (self.takes,) if isinstance(self.takes, str) else self.takes
