"""Groups frames into classes. The numbers in which the frames of a class differ are its arguments."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.python_code import Code, call, number, text
from dlc.compiler.lower.pytorch_source.body import frame_key
from dlc.compiler.lower.pytorch_source.statements import mapped
from dlc.compiler.lower.torch_names import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from dlc.compiler.lower.pytorch_source.frames import BlockFrame
    from dlc.compiler.lower.pytorch_source.statements import Statement

INPUT_SIZES = {"channels_in": 0, "features_in": -1}  # axes of the first input tensor


class Class:
    """A class of the file, with the frames that use it. Its code is that of the first frame."""

    def __init__(self, name: str):
        self.name = name
        self.frames: dict[BlockFrame, int] = {}  # each with its index
        self.params: dict[str, list[Code]] = {}  # the value of each argument in every frame
        self.kept: set[str] = set()  # arguments that `forward` reads, stored as attributes
        self.members: dict[str, Code] = {}
        self.body: list[Statement] = []
        self.returns: list[Code] = []

    @property
    def first(self) -> BlockFrame:
        return next(iter(self.frames))

    @property
    def is_fitted(self) -> bool:
        """Whether it is an operator that is fitted to rows before training."""
        return self.first.kind == "operator" and self.first.operator.is_fitted()

    def constructor(self, frame: BlockFrame) -> Code:
        """The constructor call for a frame. With more than 3 arguments, the last ones are keywords."""
        index = self.frames[frame]
        given = {name: values[index] for name, values in self.params.items()}
        count = len(given) if len(given) <= 3 else 2
        positional, named = [*given.values()][:count], dict([*given.items()][count:])
        return call(Code("class", self), *positional, **named)


def classes_of(frames: Iterable[BlockFrame]) -> list[Class]:
    """The classes of frames. Inner frames come first, so a class follows the classes that it constructs."""
    classes: dict[Any, Class] = {}
    by_frame: dict[BlockFrame, Class] = {}
    taken, numbered = {"F", "DataLoader", "Subset", "TensorDataset"}, Counter[str]()

    def key_of(frame: BlockFrame) -> Any:
        """Frames of a class may differ in numbers, and in nested uses of their own block."""

        def of(code: Code) -> Any:
            if code.kind == "number":
                return ("number",)
            if code.kind != "make":
                return None
            return "make", "itself" if frame.is_within_itself(code) else by_frame[code.value].name

        return frame.kind, frame.name, frame_key(frame, of)

    for frame in frames:
        key = key_of(frame)
        if key not in classes:
            name = camel(frame.name)
            name = "Model" if frame.kind == "model" and name in taken else name
            while (own := f"{name}{numbered[name] or ''}") in taken:
                numbered[name] = max(numbered[name], 1) + 1
            taken.add(own)
            classes[key] = Class(own)
        classes[key].frames[frame] = len(classes[key].frames)
        by_frame[frame] = classes[key]
    for cls in classes.values():
        complete(cls, by_frame)
    return [*classes.values()]


def camel(name: str) -> str:
    parts = "".join(c if c.isalnum() else " " for c in name).split()
    joined = "".join(part[0].upper() + part[1:] for part in parts)
    return joined if joined[:1].isalpha() else f"Model{joined}"


def complete(cls: Class, by_frame: dict[BlockFrame, Class]) -> None:
    """Find the arguments of a class, and replace numbers by their names."""

    def construct(code: Code) -> Code | None:
        return by_frame[code.value].constructor(code.value) if code.kind == "make" else None

    def parts(frame: BlockFrame) -> list[Any]:
        members = (text(safe(attr)) if frame.is_within_itself(code) else code.mapped(construct)
                   for attr, code in frame.members.items())  # fmt: skip
        return [*members, *frame.body, *frame.returns]

    written = [parts(frame) for frame in cls.frames]
    columns = zip(*([value for part in unit for value in numbers(part)] for unit in written), strict=True)
    arguments = ClassArguments([*cls.frames])
    names = iter([arguments.name(values) for values in columns])
    done = [mapped(p, lambda c: next(names) or c if c.kind == "number" else None) for p in written[0]]
    cls.params = {name: [*map(number, values)] for name, values in arguments.used.items()}
    for frame in cls.frames:  # inner frames first: nested uses of the same block are passed as arguments
        for attr, code in frame.members.items():
            if frame.is_within_itself(code):
                cls.params.setdefault(safe(attr), []).append(by_frame[code.value].constructor(code.value))

    def keep(code: Code) -> Code | None:
        if code.kind == "text" and code.value in cls.params:
            cls.kept.add(code.value)
            return text(f"self.{code.value}")
        return None

    count = len(cls.first.members)
    cls.members = dict(zip(cls.first.members, done, strict=False))
    body = [mapped(part, keep) for part in done[count:]]
    cls.body, cls.returns = body[: len(cls.first.body)], body[len(cls.first.body) :]


def numbers(part: Any) -> list[Any]:
    """The numbers of a member, a statement or an expression."""
    found: list[Any] = []

    def note(code: Code) -> Code | None:
        if code.kind == "number":
            found.append(code.value)
        return None

    mapped(part, note)
    return found


class ClassArguments:
    """The numbers in which the frames of a class differ: settings of the block, sizes of its input, others.
    `used` are the arguments of the class, with the value in each frame."""

    def __init__(self, frames: list[BlockFrame]):
        self.known: dict[str, list[Any]] = {}
        for name in frames[0].settings:
            self.add(safe(name), [frame.settings.get(name) for frame in frames])
        for name, axis in INPUT_SIZES.items():
            self.add(name, [input_size(frame, axis) for frame in frames])
        self.used: dict[str, list[Any]] = {}

    def add(self, name: str, values: list[Any]) -> None:
        numeric = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
        if numeric and len({*values}) > 1:
            self.known[name] = values

    def name(self, values: Sequence[Any]) -> Code | None:
        """The expression for a number with these values in the frames. None if all are equal."""
        if len({(value, type(value)) for value in values}) <= 1:
            return None
        choices = {**self.known, **self.used}
        for simple in (True, False):
            for name, known in choices.items():
                for written, of in [*expressions(name)][: 1 if simple else None]:
                    if all(of(k) == value for k, value in zip(known, values, strict=True)):
                        self.used.setdefault(name, known)
                        return written
        count = 1
        while (name := f"size_{count}" if count > 1 else "size") in self.used:
            count += 1
        self.used[name] = list(values)
        return text(name)


def expressions(name: str) -> Iterator[tuple[Code, Callable[[Any], Any]]]:
    own = text(name)
    yield own, lambda k: k
    for factor in (2, 3, 4, 8):
        yield Code("operator", "*", (number(factor), own)), lambda k, f=factor: f * k
        yield Code("operator", "//", (own, number(factor))), lambda k, f=factor: None if k % f else k // f
    for more in (1, 2, 3):
        yield Code("operator", "-", (own, number(more))), lambda k, m=more: k - m
        yield Code("operator", "+", (own, number(more))), lambda k, m=more: k + m


def input_size(frame: BlockFrame, axis: int) -> Any:
    """The size of an axis of the first input tensor: channels of images, features of vectors."""
    shapes = [value.type.shape for value in frame.params.values() if isinstance(value, Value)]
    shape = shapes[0] if shapes else ()
    return shape[axis] if shape and (axis != 0 or len(shape) > 1) else None
