"""Two ways in which the uses of a block are written, where one has something more than the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.lower.python_code import Code, literal
from dlc.compiler.lower.pytorch_source.arguments import Unnamed
from dlc.compiler.lower.pytorch_source.statements import Places, mapped
from dlc.compiler.lower.symbolic import Let
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dlc.compiler.lower.pytorch_source.arguments import Arguments
    from dlc.compiler.lower.pytorch_source.frames import Frame
    from dlc.compiler.lower.symbolic import Local

INVERSE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@record(eq=False)
class Variant:
    """`fuller` frames have the statements from `start` to `stop`, which replace a `value`, and the modules in
    them; `plain` frames go on with the value. `decision` is a condition of the block in the spec, and `truth`
    how it is decided in the fuller frames."""

    plain: tuple[Frame, ...]
    fuller: tuple[Frame, ...]
    start: int
    stop: int
    value: Local
    decision: syntax.Expr
    truth: bool

    def optional(self) -> list[str]:
        """The members that only the fuller frames have."""
        return [attr for attr in self.fuller[0].members if attr not in self.plain[0].members]


def variant_of(groups: Sequence[Sequence[Frame]], of: Callable[[Code], Any]) -> Variant | None:
    """How two groups of frames differ; none if one is not the other with something more."""
    plain, fuller = sorted(groups, key=lambda frames: len(frames[0].body))
    a, b = plain[0], fuller[0]
    decided = decision(plain, fuller)
    shared = {attr: code for attr, code in b.members.items() if attr in a.members}
    alike = all(a.members[attr].key(of) == code.key(of) for attr, code in shared.items())
    if decided is None or list(shared) != list(a.members) or not alike:
        return None
    if a.lists != b.lists or len(a.params) != len(b.params):
        return None
    seen = Places(tuple(a.params), of)
    wanted = seen.keys(a.body), seen.codes(a.returns)
    more = len(b.body) - len(a.body)
    for start in range(len(a.body) + 1) if more else ():
        run = b.body[start : start + more]
        if not all(isinstance(statement, Let) and len(statement.targets) == 1 for statement in run):
            continue
        own = {statement.targets[0] for statement in run}
        read = (p.value for s in run for p in s.code.walk() if p.kind == "local" and p.value not in own)
        for value in dict.fromkeys(read):

            def change(code: Code, result: Any = run[-1].targets[0], value: Any = value) -> Code | None:
                return Code("local", value) if code.kind == "local" and code.value is result else None

            rest = [mapped(s, change) for s in (*b.body[:start], *b.body[start + more :])]
            seen = Places(tuple(b.params), of)
            if (seen.keys(rest), seen.codes([mapped(code, change) for code in b.returns])) == wanted:
                return Variant(tuple(plain), tuple(fuller), start, start + more, value, *decided)
    return None


def decision(plain: Sequence[Frame], fuller: Sequence[Frame]) -> tuple[syntax.Expr, bool] | None:
    """The condition of the block that tells the two apart, and how it is decided where there is more."""
    for expr, truth in fuller[0].use.decided if fuller[0].use else ():
        if all(decided(f, expr) is truth for f in fuller) and all(decided(f, expr) is (not truth) for f in plain):
            return expr, truth
    return None


def decided(frame: Frame, expr: syntax.Expr) -> bool | None:
    return next((truth for e, truth in frame.use.decided if e is expr), None) if frame.use else None


def condition(variant: Variant, arguments: Arguments) -> Code:
    """The condition in Python over the arguments of the class; `Unnamed` if they do not say it."""
    expr = variant.decision
    if variant.truth:
        return expression(expr, arguments)
    if isinstance(expr, syntax.Binary) and expr.operator in INVERSE:
        sides = expression(expr.left, arguments), expression(expr.right, arguments)
        return Code("sign", INVERSE[expr.operator], sides)
    return Code("sign", "not", (expression(expr, arguments),))


def expression(expr: syntax.Expr, arguments: Arguments) -> Code:
    made = None
    if isinstance(expr, syntax.Literal):
        made = literal(expr.value)
    elif isinstance(expr, syntax.Name):
        made = arguments.standing_for(expr.id)
    elif isinstance(expr, syntax.Attribute) and expr.name in ("channels", "features"):
        made = arguments.standing_for(f"{expr.name}_in")
    elif isinstance(expr, syntax.Binary):
        sides = expression(expr.left, arguments), expression(expr.right, arguments)
        made = Code("sign", expr.operator, sides)
    if made is None:
        raise Unnamed
    return made
