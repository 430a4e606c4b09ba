"""Example rows of operators, from which tests and documentation are made."""

from __future__ import annotations

from dlc.compiler.record import record


@record
class Example:
    """A row of the tests and of the documentation: a call, the types that flow in, the type that comes out.

    `low` and `high` bound the random values that flow in. A row with `rejects` shows an error: the call must
    be refused with that code.
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
