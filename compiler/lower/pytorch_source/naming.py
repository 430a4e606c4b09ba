"""Writes statements as lines. Chooses which values get a name, and which are inlined at their use."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.python_code import WIDTH, Code, call, inline, lines, text
from dlc.compiler.lower.pytorch_source.statements import EvalReturn, codes_of, mapped, reads
from dlc.compiler.lower.symbolic import Let
from dlc.compiler.lower.torch_names import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dlc.compiler.lower.pytorch_source.statements import ForLoop, Statement
    from dlc.compiler.lower.symbolic import Local

DEFAULT_NAMES = ("x", "y", "z")
IMPORTED = ("F", "torch", "nn", "np", "model", "self")
MAX_INLINED_WIDTH = 60  # of an inlined expression
MAX_CALL_DEPTH = 3  # nested calls of an inlined expression
# Functions and methods that draw random numbers. Inlining must not change the order of draws.
RANDOM_FUNCTIONS = (
    "F.dropout", "sample", "torch.bernoulli", "torch.normal", "torch.rand", "torch.rand_like", "torch.randn",
    "torch.randn_like", "uniform_",
)  # fmt: skip


class FreeNames:
    """Allocates names. Counts for each name the values that have it and are still live."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(IMPORTED)
        self.last = 0  # the number of the last of x1, x2, ...

    def name(self, hint: str) -> str:
        """A free name: that of the spec, or a default one."""
        if hint:
            return safe(hint, [n for n in (hint, f"{hint}_") if self.counts[n] > 0])
        found = next((name for name in DEFAULT_NAMES if self.counts[name] <= 0), "")
        while not found:
            self.last += 1
            found = f"x{self.last}" if self.counts[f"x{self.last}"] <= 0 else ""
        return found


class Namer:
    """Writes one body. `given` are the names of its parameters. `over` gives the list of a loop."""

    def __init__(
        self,
        given: Mapping[Local, str],
        body: Sequence[Statement],
        returns: Sequence[Code],
        over: Callable[[Code], Code] = lambda entries: entries,
    ):
        self.over = over
        self.uses_left = Counter(key for code in (*codes_of(body), *returns) for key in reads(code))
        self.names: dict[Local, str] = {}
        self.free = FreeNames()
        for key, name in given.items():
            self.assign(key, name)
        self.pending: dict[Local, Code] = {}  # inlined at their use

    def assign(self, key: Local, name: str) -> None:
        self.names[key] = name
        if self.uses_left[key] > 0:
            self.free.counts[name] += 1

    def add_uses(self, key: Local, times: int) -> None:
        """Change the number of remaining uses of a value."""
        before = self.uses_left[key] > 0
        self.uses_left[key] += times
        if key in self.names and before != (self.uses_left[key] > 0):
            self.free.counts[self.names[key]] += -1 if before else 1

    # --- expressions --------------------------------------------------------------------------------------

    def expanded(self, code: Code) -> Code:
        """The expression with names for values and with inlined expressions."""

        def change(part: Code) -> Code | None:
            if part.kind != "local":
                return None
            inlined = self.pending.get(part.value)
            return self.expanded(inlined) if inlined is not None else text(self.names[part.value])

        return code.mapped(change)

    def consume(self, code: Code) -> Code:
        """`expanded`, which also counts the uses of all values in the expression."""
        expanded, waiting = self.expanded(code), [code]
        while waiting:
            for key in reads(waiting.pop()):
                self.add_uses(key, -1)
                if key in self.pending:
                    waiting.append(self.pending.pop(key))
        return expanded

    # --- statements ---------------------------------------------------------------------------------------

    def block(self, body: Sequence[Statement], indent: int, returns: Sequence[Code] = ()) -> Iterator[str]:
        """The lines of statements. `returns` is read after them."""
        readers: dict[Local, int] = {}
        for index, codes in enumerate([*(codes_of([statement]) for statement in body), returns]):
            for key in (key for code in codes for key in reads(code)):
                readers.setdefault(key, index)
        for index, statement in enumerate(body):
            if isinstance(statement, Let):
                position = readers.get(statement.targets[0]) if statement.targets else None
                reader = body[position] if position is not None and position < len(body) else None
                if position is not None and self.is_inlined(statement, reader, position == index + 1):
                    self.pending[statement.targets[0]] = statement.code
                else:
                    yield from self.let(statement, indent)
            elif isinstance(statement, EvalReturn):
                yield f"{' ' * indent}if not self.training:"
                yield from self.return_lines(statement.returns, indent + 4)
            else:
                yield from self.loop(statement, indent)

    def is_inlined(self, let: Let, reader: Statement | None, is_next: bool) -> bool:
        """Whether a result is inlined at its use: it is read once, and the expression is short. `reader` is
        None if it is read after the body."""
        target = let.targets[0]
        if len(let.targets) > 1 or self.uses_left[target] != 1:
            return False
        expanded = self.expanded(let.code)
        long = len(inline(expanded)) > (MAX_INLINED_WIDTH if is_next else MAX_INLINED_WIDTH // 2)
        draws = any(c.kind in ("text", "attribute") and c.value in RANDOM_FUNCTIONS for c in expanded.walk())
        if reader is None:
            return let.is_result or not (long or draws)
        deep = depth(expanded) > MAX_CALL_DEPTH
        if not isinstance(reader, Let) or target.hint or long or deep or (draws and not is_next):
            return False
        return reader.inlines or not let.is_result

    def let(self, let: Let, indent: int) -> Iterator[str]:
        if let.targets and not any(self.uses_left[target] for target in let.targets):
            return
        yield from self.shorten(let.code, indent, 5)
        expanded = self.consume(let.code)
        named = []
        for target in let.targets:
            name = self.free.name(target.hint) if self.uses_left[target] else "_"
            self.assign(target, name)
            self.free.counts[name] += 1
            named.append(name)
        self.free.counts.subtract(named)
        yield from assigned(", ".join(named), expanded, indent)

    def shorten(self, code: Code, indent: int, used: int) -> Iterator[str]:
        """Name the longest inlined parts of an expression that neither fits on a line nor breaks well."""
        breaks = code.kind == "dict" or (code.kind == "call" and code.parts[0].kind != "attribute")
        while not breaks and len(inline(self.expanded(code))) + indent + used > WIDTH:
            inlined = [key for key in reads(code) if key in self.pending]
            longest = max(
                inlined, key=lambda key: len(inline(self.expanded(self.pending[key]))), default=None
            )
            if longest is None:
                return
            yield from self.let(Let((longest,), self.pending.pop(longest)), indent)

    def loop(self, loop: ForLoop, indent: int) -> Iterator[str]:
        outside = [key for code in codes_of(loop.body) for key in reads(code) if key in self.names]
        for key in outside:
            self.add_uses(key, 1)
        initial = self.consume(loop.initial)
        name = self.free.name(loop.target.hint)
        self.assign(loop.carried, name)
        yield from assigned(name, initial, indent)
        entries = {entry: safe(entry, self.free.counts) for entry, *_ in loop.members}
        over = [self.over(Code("entries", (base, *at, loop.copies))) for _, base, *at in loop.members]
        looped = (
            over[0] if len(over) == 1 else call(text("zip"), *over) if over else text(f"range({loop.copies})")
        )
        yield from lines(looped, indent, f"for {', '.join(entries.values()) or '_'} in ", ":")
        self.free.counts.update(entries.values())

        def entered(code: Code) -> Code | None:
            return text(entries[code.value]) if code.kind == "entry" and code.value in entries else None

        update = mapped(loop.update, entered)
        yield from self.block([mapped(s, entered) for s in loop.body], indent + 4, [update])
        yield from assigned(name, self.consume(update), indent + 4)
        self.free.counts.subtract(entries.values())
        for key in outside:
            self.add_uses(key, -1)
        self.assign(loop.target, name)

    def return_lines(self, returns: Sequence[Code], indent: int) -> Iterator[str]:
        for code in returns:
            yield from self.shorten(code, indent, len("return "))
        expanded = [self.consume(code) for code in returns]
        code = expanded[0] if len(expanded) == 1 else Code("unpacked", None, tuple(expanded))
        yield from lines(code, indent, "return ")


def assigned(name: str, code: Code, indent: int) -> list[str]:
    return lines(code, indent, f"{name} = " if name else "") if inline(code) != name else []


def depth(code: Code) -> int:
    """The depth of nested calls, without conversions."""
    inner = max(map(depth, code.parts), default=0)
    if code.kind != "call":
        return inner
    function: Any = code.parts[0]
    casts = function.kind == "attribute" and function.value in ("float", "long", "bool", "unsqueeze")
    return inner + (not casts)
