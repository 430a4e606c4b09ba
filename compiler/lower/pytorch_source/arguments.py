"""The arguments of a class: what the numbers in which its frames differ are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.ir import Value
from dlc.compiler.lower.python_code import Code, number, text
from dlc.compiler.lower.torch_names import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dlc.compiler.lower.pytorch_source.frames import Frame

SIZES = {"channels_in": 0, "features_in": -1}  # the axes of the first tensor that flows in


class Unnamed(Exception):
    """Frames that are written alike, and that no arguments tell apart."""


class Arguments:
    """What the frames of a class differ in: settings of the block, sizes of its tensor, and other numbers.
    `used` are those that are arguments, with the value in each frame."""

    def __init__(self, frames: list[Frame]):
        self.known: dict[str, list[Any]] = {}
        for name in frames[0].settings:
            self.add(safe(name), [frame.settings.get(name) for frame in frames])
        for name, axis in SIZES.items():
            self.add(name, [input_size(frame, axis) for frame in frames])
        self.used: dict[str, list[Any]] = {}

    def add(self, name: str, values: list[Any]) -> None:
        if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
            self.known[name] = values

    def name(self, values: Sequence[Any], word: str = "") -> Code | None:
        """What is written for a number with these values, none in frames that lack it; none where it never
        changes. `word` is the name of the argument that it is."""
        lacks = any(value is None for value in values)
        if len({(v, type(v)) for v in values if v is not None}) <= 1:
            varies = len({*self.known.get(word, ())}) > 1
            if not (lacks and varies and fits(self.known[word], values, lambda k: k)):
                return None
            return self.use(word)
        changing = {name: known for name, known in self.known.items() if len({*known}) > 1}
        choices = list({**changing, **self.used}.items())
        for simple in (True, False):
            for name, known in choices:
                for written, of in list(expressions(name))[: 1 if simple else None]:
                    if fits(known, values, of):
                        self.use(name)
                        return written
        if lacks:
            raise Unnamed
        place = 1
        while (name := f"size_{place}" if place > 1 else "size") in self.used:
            place += 1
        self.used[name] = list(values)
        return text(name)

    def use(self, name: str) -> Code:
        if name in self.known:
            self.used.setdefault(name, self.known[name])
        return text(name)

    def standing_for(self, name: str) -> Code | None:
        """A setting or a size of the block: an argument, or the number that it always is."""
        values = self.known.get(safe(name))
        if values is None:
            return None
        return self.use(safe(name)) if len({*values}) > 1 else number(values[0])


def fits(known: Sequence[Any], values: Sequence[Any], of: Callable[[Any], Any]) -> bool:
    return all(v is None or of(k) == v for k, v in zip(known, values, strict=True))


def expressions(name: str) -> Iterable[tuple[Code, Callable[[Any], Any]]]:
    own = text(name)
    yield own, lambda k: k
    for factor in (2, 3, 4, 8):
        yield Code("sign", "*", (number(factor), own)), lambda k, f=factor: f * k
        yield Code("sign", "//", (own, number(factor))), lambda k, f=factor: k // f if k % f == 0 else None
    for more in (1, 2, 3):
        yield Code("sign", "-", (own, number(more))), lambda k, m=more: k - m
        yield Code("sign", "+", (own, number(more))), lambda k, m=more: k + m


def input_size(frame: Frame, axis: int) -> Any:
    """The size of an axis of the first tensor that flows in: channels of images, features of vectors."""
    shapes = [value.type.shape for value in frame.params.values() if isinstance(value, Value)]
    shape = shapes[0] if shapes else ()
    return shape[axis] if shape and (axis != 0 or len(shape) > 1) else None
