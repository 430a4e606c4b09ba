"""Names within their surroundings, numbered as section 4 of the language says."""

from __future__ import annotations


class Names:
    """Names that are taken, and the next free one of each kind: `conv`, `conv_2`, ..."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}  # all below are taken

    def __bool__(self) -> bool:
        return bool(self._taken)

    def take(self, name: str) -> None:
        self._taken.add(name)

    def next(self, base: str) -> str:
        number = self._numbers.get(base, 1)
        while (name := base if number == 1 else f"{base}_{number}") in self._taken:
            number += 1
        self._numbers[base] = number
        return name


class Level:
    """The surroundings within which names are numbered."""

    def __init__(self, prefix: str = "", *, net: str | None = None):
        self.prefix, self.net = prefix, net
        self.names = Names()
