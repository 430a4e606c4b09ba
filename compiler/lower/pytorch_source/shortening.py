"""What of a long expression is best given a name of its own."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from dlc.compiler.lower.pytorch_source.code import WIDTH, Code, inline, text

LEAST = 12  # letters of what is given a name


class Pieces:
    """An expression as the entries of a tuple or a list, each to be looked at by itself, or as one entry;
    `width` is how long it is on one line, and `room` how long a part with a name may be."""

    def __init__(self, code: Code, room: int):
        self.whole, self.room = code, room
        self.listed = code.kind in ("tuple", "list")
        self.entries = list(code.parts) if self.listed else [code]
        self.width = len(inline(code))
        self.chains = [any(map(is_chain, entry.walk())) for entry in self.entries]
        self.count = sum(self.chains)
        self.largest = [rank for place in range(len(self.entries)) if (rank := self._rank(place))]
        heapify(self.largest)

    @property
    def code(self) -> Code:
        if not self.listed:
            return self.entries[0]
        return Code(self.whole.kind, self.whole.value, tuple(self.entries))

    @property
    def breaks_badly(self) -> bool:
        """Whether several lines would show it badly."""
        return self.count > 0 or (not self.listed and cannot_break(self.entries[0]))

    def named(self, name: str) -> Code | None:
        """The largest part that has room on a line, which now has this name; none if there is none."""
        if not self.largest:
            return None
        _, place, largest = heappop(self.largest)
        before = self.entries[place]
        after = before.mapped(lambda part: text(name) if part is largest else None)
        self.entries[place] = after
        self.width += len(inline(after)) - len(inline(before))
        self.count -= self.chains[place]
        self.chains[place] = any(map(is_chain, after.walk()))
        self.count += self.chains[place]
        if rank := self._rank(place):
            heappush(self.largest, rank)
        return largest

    def _rank(self, place: int) -> tuple[int, int, Code] | None:
        """The largest part of an entry, for a heap."""
        entry = self.entries[place]
        parts = [
            p for p in entry.walk() if p.kind in ("call", "sign", "index") and (self.listed or p is not entry)
        ]
        parts = [p for p in parts if LEAST < len(inline(p)) <= self.room]
        largest = max(parts, key=lambda part: len(inline(part)), default=None)
        return largest and (-len(inline(largest)), place, largest)


def cannot_break(code: Code) -> bool:
    """Whether an expression has no brackets of its own that would take it apart well."""
    if code.kind == "call":
        return len(code.parts) == 1 or len(inline(code.parts[0])) > WIDTH // 2
    return code.kind in ("sign", "choice", "index", "attribute")


def is_chain(code: Code) -> bool:
    """A method of what is long itself, which several lines show badly."""
    return code.kind == "call" and code.parts[0].kind == "attribute" and len(inline(code)) > WIDTH // 2
