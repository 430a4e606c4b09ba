"""The arguments of a class: what the numbers in which its uses differ are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.pytorch_source.code import Code, number, text
from dlc.compiler.lower.pytorch_source.writer import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dlc.compiler.lower.pytorch_source.frames import Frame

FACTORS = (2, 3, 4, 8)


class Apart(Exception):
    """Frames that are written alike, and cannot be constructed alike."""


class Known:
    """What the uses of a block differ in: its settings, the sizes of its tensors, and what else there is."""

    def __init__(self, frames: list[Frame]):
        self.candidates: dict[str, list[Any]] = {}
        self.constants: dict[str, Any] = {}
        self.used: dict[str, list[Any]] = {}
        for name, size in (("channels_in", 0), ("features_in", -1)):
            self._candidate(name, [input_size(frame, size) for frame in frames])
        settings = [settings_of(frame) for frame in frames]
        for name in settings[0]:
            self._candidate(safe(name), [s.get(name) for s in settings])

    def _candidate(self, name: str, values: list[Any]) -> None:
        if (
            all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
            and len({*values}) > 1
        ):
            self.candidates[name] = values
        elif len({*map(str, values)}) == 1 and isinstance(values[0], (int, float)):
            self.constants[name] = values[0]

    def name(self, values: Sequence[Any], word: str = "") -> Code | None:
        """What stands in place of numbers that differ; none where they do not, or are not there.
        `word` is the name of the argument that they are."""
        if len({(v, type(v)) for v in values if v is not None}) <= 1:
            known = self.candidates.get(word) if None in values else None
            if known is None or not fits(known, values, lambda k: k):
                return None
            self.used.setdefault(word, known)
            return text(word)
        choices = (*self._settings_first(), *self.used.items())
        for simple in (True, False):
            for name, known in choices:
                for stands, of in list(expressions(name))[: 1 if simple else None]:
                    if fits(known, values, of):
                        self.used.setdefault(name, known)
                        return stands
        if None in values:
            raise Apart
        number = 1
        while (name := f"size_{number}" if number > 1 else "size") in self.used:
            number += 1
        self.used[name] = list(values)
        return text(name)

    def stands_for(self, name: str) -> Code | None:
        """A setting or a size of the block by its name: an argument, or the number that it always is."""
        if safe(name) in self.candidates:
            self.used.setdefault(safe(name), self.candidates[safe(name)])
            return text(safe(name))
        values = self.constants.get(name)
        return None if values is None else number(values)

    def _settings_first(self) -> list[tuple[str, list[Any]]]:
        sizes = ("channels_in", "features_in")
        found = list(self.candidates.items())
        return [f for f in found if f[0] not in sizes] + [f for f in found if f[0] in sizes]


def fits(known: Sequence[Any], values: Sequence[Any], of: Callable[[Any], Any]) -> bool:
    return all(v is None or of(k) == v for k, v in zip(known, values, strict=True))


def expressions(name: str) -> Iterable[tuple[Code, Callable[[Any], Any]]]:
    own = text(name)
    yield own, lambda k: k
    for factor in FACTORS:
        yield Code("sign", "*", (number(factor), own)), lambda k, f=factor: f * k
        yield (Code("sign", "//", (own, number(factor))), lambda k, f=factor: k // f if k % f == 0 else None)
    for more in (1, 2, 3):
        yield Code("sign", "-", (own, number(more))), lambda k, m=more: k - m
        yield Code("sign", "+", (own, number(more))), lambda k, m=more: k + m


def input_size(frame: Frame, axis: int) -> Any:
    """The size of an axis of the first tensor that flows in: channels of images, features of vectors."""
    shapes = [p.type.shape for p in frame.params if isinstance(p, Value)]
    shape = shapes[0] if shapes else ()
    return shape[axis] if shape and (axis != 0 or len(shape) > 1) else None


def settings_of(frame: Frame) -> dict[str, Any]:
    return frame.operator.values() if frame.what == "operator" else dict(frame.given)
