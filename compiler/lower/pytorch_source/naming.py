"""Statements as lines: which values get a name, and which are written where they are read."""

from __future__ import annotations

import re
from collections import Counter
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.pytorch_source.code import WIDTH, Code, inline, lines, text
from dlc.compiler.lower.pytorch_source.frames import Each, Guard, Let, When
from dlc.compiler.lower.pytorch_source.shortening import Pieces
from dlc.compiler.lower.pytorch_source.writer import IMPORTED, safe

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence

    from dlc.compiler.lower.pytorch_source.frames import Statement

FLOW = ("x", "y", "z")
LONGEST = 60  # of what is written within something else
DEEPEST = 3  # calls within calls
RESERVED = (*IMPORTED, "x_")
NUMBERED = re.compile(r"x[1-9]\d*")


class Taken:
    """Names with how often each is taken."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(RESERVED)
        self.next = 1  # of the numbered names, those from here on were never looked at
        self.freed: list[int] = []  # a heap of those before that may be free

    def __contains__(self, name: str) -> bool:
        return self.counts[name] > 0

    def take(self, *names: str) -> None:
        self.counts.update(names)

    def release(self, *names: str) -> None:
        self.counts.subtract(names)
        for name in names:
            if name not in self and NUMBERED.fullmatch(name):
                heappush(self.freed, int(name[1:]))

    def numbered(self) -> str:
        """The first of `x1`, `x2`, ... that is free."""
        while self.freed and f"x{self.freed[0]}" in self:
            heappop(self.freed)
        while not self.freed and f"x{self.next}" in self:
            self.next += 1
        return f"x{self.freed[0] if self.freed else self.next}"


class Namer:
    """Names the values of one body, of which `given` have theirs."""

    def __init__(
        self,
        given: Mapping[Any, str],
        body: Sequence[Statement],
        returns: Sequence[Code],
        over: Callable[[Code], Code] = lambda entries: entries,
    ):
        self.over = over
        self.left = Counter(read for code in (*codes_of(body), *returns) for read in reads(code))
        self.names: dict[Any, str] = {}
        self.every: set[str] = set()  # that was ever given
        self.taken = Taken()  # by what is still read, and by what is held beside
        for key, name in given.items():
            self.give(key, name)
        self.pending: dict[Any, Code] = {}

    def give(self, key: Any, name: str) -> None:
        """Name a value."""
        self.names[key] = name
        self.every.add(name)
        if self.left[key] > 0:
            self.taken.take(name)

    def reading(self, key: Any, times: int) -> None:
        """So often more, or less, a value is read."""
        before = self.left[key] > 0
        self.left[key] += times
        if key in self.names and before != (self.left[key] > 0):
            (self.taken.release if before else self.taken.take)(self.names[key])

    # --- expressions --------------------------------------------------------------------------------------

    def preview(self, code: Code) -> Code:
        def change(part: Code) -> Code | None:
            if part.kind != "local":
                return None
            waiting = self.pending.get(part.value)
            return self.preview(waiting) if waiting is not None else text(self.names[part.value])

        return code.mapped(change)

    def consume(self, code: Code) -> Code:
        """The expression in names; what it reads is read."""
        shown = self.preview(code)
        waiting = [code]
        while waiting:
            for key in reads(waiting.pop()):
                self.reading(key, -1)
                if key in self.pending:
                    waiting.append(self.pending.pop(key))
        return shown

    def free(self, hint: str) -> str:
        """A name that nothing alive has: the one of the spec, or that of the flow."""
        if hint:
            return safe(hint, self.taken)
        return next((name for name in FLOW if name not in self.taken), None) or self.taken.numbered()

    # --- statements ---------------------------------------------------------------------------------------

    def block(self, body: Sequence[Statement], indent: int, end: Sequence[Code] = ()) -> Iterator[str]:
        """The lines of statements; `end` is what is read behind them."""
        readers: dict[Any, int] = {}  # the statements that read values first
        for place, statement in enumerate(body):
            for code in codes_of([statement]):
                for key in reads(code):
                    readers.setdefault(key, place)
        last = {key for code in end for key in reads(code)}
        for place, statement in enumerate(body):
            if isinstance(statement, Let):
                at = readers.get(statement.targets[0])
                reader = None if at is None else body[at]
                if len(statement.targets) == 1 and self.waits(statement, reader, at == place + 1, last):
                    self.pending[statement.targets[0]] = statement.code
                else:
                    yield from self.let(statement, indent)
            elif isinstance(statement, Each):
                yield from self.each(statement, indent)
            elif isinstance(statement, Guard):
                yield from lines(statement.condition, indent, "if ", ":")
                yield from self.ending(statement.returns, indent + 4)
            else:
                yield from self.when(statement, indent)

    def let(self, let: Let, indent: int) -> Iterator[str]:
        if let.within:
            yield f"{' ' * indent}with {let.within}:"
            indent += 4
        shown = self.consume(let.code)
        named = []
        hints = let.hint.split(",") if len(let.targets) > 1 and let.hint else [let.hint] * len(let.targets)
        for target, hint in zip(let.targets, hints, strict=True):
            name = self.free(hint)
            self.give(target, name)
            self.taken.take(name)
            named.append(name)
        self.taken.release(*named)
        if shown.kind == "choice" and len(inline(shown)) + indent + len(named[0]) + 3 > WIDTH:
            yield from self.choice(shown, indent, named[0])
            return
        if inline(shown) != named[0]:
            yield from self.fitted(shown, indent, f"{', '.join(named)} = ")

    def choice(self, code: Code, indent: int, name: str) -> Iterator[str]:
        """A choice over several lines: what is not chosen is not computed."""
        condition, chosen, other = code.parts
        yield f"{' ' * indent}if {inline(condition)}:"
        yield from self.fitted(chosen, indent + 4, f"{name} = ")
        if inline(other) != name:
            yield f"{' ' * indent}else:"
            yield from self.fitted(other, indent + 4, f"{name} = ")

    def fitted(self, code: Code, indent: int, before: str) -> Iterator[str]:
        """A statement, with names for parts of what is too long for a line."""
        held = [part.value for part in code.walk() if part.kind == "text"]
        self.taken.take(*held)
        pieces = Pieces(code, WIDTH - indent - 8)
        while pieces.width + indent + len(before) > WIDTH and pieces.breaks_badly:
            name = self.free("")
            part = pieces.named(name)
            if part is None:
                break
            self.taken.take(name)
            held.append(name)
            yield from lines(part, indent, f"{name} = ")
        code = pieces.code
        self.taken.release(*held)
        if code.kind == "tuple" and before == "return " and len(inline(code)) + indent + 5 <= WIDTH:
            before, code = f"return {', '.join(map(inline, code.parts))}", text("")
        yield from lines(code, indent, before)

    def waits(self, let: Let, reader: Statement | None, next_: bool, last: Container[Any]) -> bool:
        """Whether it is written where it is read: once, by something that fits around it. The reader may be
        the `next_` statement; none is one that stands behind all."""
        (target,) = let.targets
        if self.left[target] != 1 or let.within:
            return False
        shown = self.preview(let.code)
        if shown.kind == "choice" and len(inline(shown)) > LONGEST:
            return False
        if reader is None:
            return target in last
        if not isinstance(reader, Let) or (let.hint and not let.glue):
            return False
        if let.glue:
            return depth(shown) <= 2
        long = len(inline(shown)) > (LONGEST if next_ else LONGEST // 2)
        return reader.joins and not long and depth(shown) < DEEPEST

    def each(self, each: Each, indent: int) -> Iterator[str]:
        outside = [key for code in codes_of(each.body) for key in reads(code) if key in self.names]
        for key in outside:
            self.reading(key, 1)
        carried = []
        for _, cell, begin, _ in each.carried:
            shown = self.consume(begin)
            self.give(cell, self.free(""))
            carried.append(self.names[cell])
            if inline(shown) != self.names[cell]:
                yield from lines(shown, indent, f"{self.names[cell]} = ")
        entries = [safe(name, self.every) for name, *_ in each.members]
        lists = [
            self.over(Code("entries", (name, start, step, each.copies)))
            for _, name, start, step in each.members
        ]
        yield from self.header(entries, lists, each.copies, indent)
        self.taken.take(*entries)
        body = tuple(
            entered(s, dict(zip((m[0] for m in each.members), entries, strict=True))) for s in each.body
        )
        ends = [
            entered_code(update, dict(zip((m[0] for m in each.members), entries, strict=True)))
            for *_, update in each.carried
        ]
        yield from self.block(body, indent + 4, ends)
        updates = [(name, self.consume(end)) for name, end in zip(carried, ends, strict=True)]
        yield from assigned(updates, indent + 4)
        self.taken.release(*entries)
        for key in outside:
            self.reading(key, -1)
        for (target, *_), name in zip(each.carried, carried, strict=True):
            self.give(target, name)

    @staticmethod
    def header(entries: list[str], lists: list[Code], copies: int, indent: int) -> list[str]:
        if not entries:
            return [f"{' ' * indent}for _ in range({copies}):"]
        over = lists[0] if len(lists) == 1 else Code("call", None, (text("zip"), *lists))
        return lines(over, indent, f"for {', '.join(entries)} in ", ":")

    def when(self, when: When, indent: int) -> Iterator[str]:
        outside = [key for code in codes_of(when.body) for key in reads(code) if key in self.names]
        for key in outside:
            self.reading(key, 1)
        shown = self.consume(when.otherwise)
        for key in outside:
            self.reading(key, -1)
        own = inline(shown)
        inside = Counter(key for code in (*codes_of(when.body), when.result) for key in reads(code))
        name = own if own.isidentifier() and self.dead(own, inside) else self.free("")
        if own != name:
            yield from lines(shown, indent, f"{name} = ")
        yield from lines(when.condition, indent, "if ", ":")
        self.taken.take(name)
        yield from self.block(when.body, indent + 4, (when.result,))
        yield from assigned([(name, self.consume(when.result))], indent + 4)
        self.taken.release(name)
        self.give(when.target, name)

    def dead(self, name: str, inside: Counter[Any]) -> bool:
        """Whether what has a name is read no more, but for these times."""
        return not any(n == name and self.left[key] > inside[key] for key, n in self.names.items())

    def ending(self, returns: Sequence[Code], indent: int) -> list[str]:
        shown = [self.consume(code) for code in returns]
        whole = ", ".join(map(inline, shown))
        if len(shown) == 1 or len(whole) + indent + 7 > WIDTH:
            code = shown[0] if len(shown) == 1 else Code("tuple", None, tuple(shown))
            return [*self.fitted(code, indent, "return ")]
        return [f"{' ' * indent}return {whole}"]


def assigned(pairs: list[tuple[str, Code]], indent: int) -> list[str]:
    pairs = [(name, code) for name, code in pairs if inline(code) != name]
    if len(pairs) == 1:
        return lines(pairs[0][1], indent, f"{pairs[0][0]} = ")
    if not pairs:
        return []
    return [f"{' ' * indent}{', '.join(n for n, _ in pairs)} = {', '.join(inline(c) for _, c in pairs)}"]


def codes_of(body: Sequence[Statement]) -> Iterator[Code]:
    """All expressions of statements."""
    for statement in body:
        if isinstance(statement, Let):
            yield statement.code
        elif isinstance(statement, Each):
            for _, _, begin, update in statement.carried:
                yield from (begin, update)
            yield from codes_of(statement.body)
        elif isinstance(statement, Guard):
            yield from statement.returns
        else:
            yield from (statement.condition, statement.otherwise, statement.result)
            yield from codes_of(statement.body)


def reads(code: Code) -> list[Any]:
    return [part.value for part in code.walk() if part.kind == "local"]


def depth(code: Code) -> int:
    """How deep calls stand within calls; conversions do not count."""
    inner = max(map(depth, code.parts), default=0)
    if code.kind == "call":
        function = code.parts[0]
        short = function.kind == "attribute" and function.value in ("float", "long", "bool", "unsqueeze")
        return inner + (not short)
    return inner


def entered(statement: Any, names: Mapping[str, str]) -> Any:
    """A statement of a loop with the names that its entries have."""
    from dataclasses import replace

    if isinstance(statement, Let):
        return replace(statement, code=entered_code(statement.code, names))
    body = tuple(entered(s, names) for s in statement.body)
    if isinstance(statement, Each):
        carried = tuple(
            (t, c, entered_code(b, names), entered_code(u, names)) for t, c, b, u in statement.carried
        )
        return replace(statement, body=body, carried=carried)
    return replace(
        statement,
        body=body,
        result=entered_code(statement.result, names),
        otherwise=entered_code(statement.otherwise, names),
    )


def entered_code(code: Code, names: Mapping[str, str]) -> Code:
    return code.mapped(lambda c: text(names[c.value]) if c.kind == "entry" and c.value in names else None)
