"""Two ways in which the uses of a block are written, where one has all of the other, and something more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.lower.pytorch_source.code import Code, literal, text
from dlc.compiler.lower.pytorch_source.frames import Let
from dlc.compiler.lower.pytorch_source.keys import key_of, mapped
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dlc.compiler.lower.pytorch_source.frames import Frame

INVERSE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@record(eq=False)
class Variant:
    """`fuller` frames have the statements from `start` to `stop`, which make something else of a value, and
    the modules in them; `plain` frames go on with the value as it is. `condition` is the spec's own,
    true or not, as `truth` says, where there is more."""

    plain: tuple[Frame, ...]
    fuller: tuple[Frame, ...]
    start: int
    stop: int
    value: Any
    condition: syntax.Expr
    truth: bool

    def optional(self) -> list[str]:
        """The modules that only the fuller have."""
        return [attr for attr in self.fuller[0].members if attr not in self.plain[0].members]


def swap(old: Any, new: Any) -> Callable[[Code], Code | None]:
    return lambda code: Code("local", new) if code.kind == "local" and code.value is old else None


def variant_of(groups: Sequence[Sequence[Frame]], of: Callable[[Code], Any]) -> Variant | None:
    """How two groups of frames differ; none if they do so in another way."""
    plain, fuller = sorted(groups, key=lambda frames: len(frames[0].body))
    decided = decision(plain, fuller)
    if decided is None:
        return None
    a, b = plain[0], fuller[0]
    shared = [attr for attr in b.members if attr in a.members]
    if shared != list(a.members) or a.lists != b.lists or len(a.params) != len(b.params):
        return None
    if any(a.members[attr].key(of) != b.members[attr].key(of) for attr in shared):
        return None
    more = len(b.body) - len(a.body)
    for start in range(len(a.body) + 1) if more else ():
        run = b.body[start : start + more]
        if not all(isinstance(statement, Let) and len(statement.targets) == 1 for statement in run):
            continue
        own = {statement.targets[0] for statement in run}
        result = run[-1].targets[0]
        reads = [p.value for s in run for p in s.code.walk() if p.kind == "local" and p.value not in own]
        for value in dict.fromkeys(reads):
            change = swap(result, value)
            rest = [mapped(s, change) for s in (*b.body[:start], *b.body[start + more :])]
            returns = [value if key is result else key for key in b.returns]
            if key_of(b.params, rest, returns, of) == key_of(a.params, a.body, a.returns, of):
                return Variant(tuple(plain), tuple(fuller), start, start + more, value, *decided)
    return None


def decision(plain: Sequence[Frame], fuller: Sequence[Frame]) -> tuple[syntax.Expr, bool] | None:
    """The condition of the block that tells the two apart, and what it is where there is more."""
    for truth in (True, False):
        for expr, found in fuller[0].use.decided if fuller[0].use else ():
            if found is truth and all(told(f, expr) is truth for f in fuller) and all(
                    told(f, expr) is (not truth) for f in plain):  # fmt: skip
                return expr, truth
    return None


def told(frame: Frame, expr: syntax.Expr) -> bool | None:
    return next((truth for e, truth in frame.use.decided if e is expr), None) if frame.use else None


def written(expr: syntax.Expr, truth: bool, name: Callable[[str], Code | None]) -> Code | None:
    """A condition of the spec in Python, or its opposite; none where it says more than numbers do."""
    if not truth and isinstance(expr, syntax.Binary) and expr.operator in INVERSE:
        return signed(INVERSE[expr.operator], expr.left, expr.right, name)
    made = expression(expr, name)
    return made if truth or made is None else Code("sign", "not", (made,))


def expression(expr: syntax.Expr, name: Callable[[str], Code | None]) -> Code | None:
    if isinstance(expr, syntax.Literal):
        return literal(expr.value)
    if isinstance(expr, syntax.Name):
        return name(expr.id)
    if isinstance(expr, syntax.Attribute) and expr.name in ("channels", "features"):
        return name(f"{expr.name}_in")
    if isinstance(expr, syntax.Binary):
        return signed(expr.operator, expr.left, expr.right, name)
    return None


def signed(
    sign: str, left: syntax.Expr, right: syntax.Expr, name: Callable[[str], Code | None]
) -> Code | None:
    parts = expression(left, name), expression(right, name)
    return None if None in parts else Code("sign", sign, parts)  # type: ignore[arg-type]


def has(attr: str) -> Code:
    return Code("call", None, (text("hasattr"), text("self"), text(f'"{attr}"')))
