"""Which frames are one class, and what its arguments are: the numbers that differ from use to use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.ir import Value
from dlc.compiler.lower.pytorch_source.code import Code, call, number, text
from dlc.compiler.lower.pytorch_source.frames import Each, Let
from dlc.compiler.lower.pytorch_source.writer import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dlc.compiler.lower.pytorch_source.frames import Frame, Statement

FACTORS = (2, 3, 4, 8)


class Class:
    """A class of the file: the frames that are it, the first of which tells how it is written."""

    def __init__(self, name: str, frames: list[Frame]):
        self.name, self.frames = name, frames
        self.first = frames[0]
        self.params: dict[str, list[Any]] = {}  # each argument, with its value in every frame
        self.kept: set[str] = set()  # arguments that `forward` reads
        self.members: dict[str, Code] = {}
        self.body: list[Statement] = []

    @property
    def learns(self) -> bool:
        """Whether it is an operator that learns from rows before training."""
        return self.first.what == "operator" and self.first.nodes[0].operator.learns()

    def made(self, frame: Frame) -> Code:
        """How one of its frames is constructed."""
        place = self.frames.index(frame)
        given = [(name, number(values[place])) for name, values in self.params.items()]
        named = len(given) > 3
        return call(
            text(self.name),
            *(
                code if i < 2 or not named else Code("named", name, (code,))
                for i, (name, code) in enumerate(given)
            ),
        )


def classes_of(frames: Iterable[Frame], taken: set[str]) -> list[Class]:
    """The classes of frames that are given inner ones first."""
    groups: dict[Any, list[Frame]] = {}
    ids: dict[Frame, int] = {}
    for frame in frames:
        key = (frame.what, frame.name, body_key(frame, lambda code: abstract(code, ids)))
        groups.setdefault(key, []).append(frame)
        ids[frame] = list(groups).index(key)
    made: list[Class] = []
    by_frame: dict[Frame, Class] = {}
    for (_, name, _), group in groups.items():
        is_model = group[0].what == "model"
        cls = Class(class_name("model" if is_model and camel(name) in taken else name, taken), group)
        by_frame.update(dict.fromkeys(group, cls))
        made.append(cls)
        complete(cls, by_frame)
    return made


def abstract(code: Code, ids: dict[Frame, int]) -> Any:
    """Numbers may differ between frames of one class, and modules are those of one class."""
    if code.kind == "number":
        return ("number",)
    return ("make", ids[code.value]) if code.kind == "make" else None


def class_name(name: str, taken: set[str]) -> str:
    place, own = 1, camel(name)
    while own in taken:
        place += 1
        own = f"{camel(name)}{place}"
    taken.add(own)
    return own


def camel(name: str) -> str:
    parts = [part for part in "".join(c if c.isalnum() else "_" for c in name).split("_") if part]
    joined = "".join(part[0].upper() + part[1:] for part in parts)
    return joined if joined[:1].isalpha() else f"Model{joined}"


# --- arguments --------------------------------------------------------------------------------------------


def complete(cls: Class, by_frame: dict[Frame, Class]) -> None:
    """Find the arguments, and write the class with their names."""

    def construct(code: Code) -> Code | None:
        return by_frame[code.value].made(code.value) if code.kind == "make" else None

    written = [
        (  # of each frame its modules and statements, with what they construct
            {attr: code.mapped(construct) for attr, code in frame.members.items()},
            frame.body,
        )
        for frame in cls.frames
    ]
    columns = [list(numbers(members, body)) for members, body in written]
    known = Known(cls.frames)
    names = iter([known.name(values) for values in zip(*columns, strict=True)])
    cls.params = known.used

    def named(code: Code) -> Code | None:
        return next(names) or code if code.kind == "number" else None

    def kept(code: Code) -> Code | None:
        if code.kind == "text" and code.value in cls.params:
            cls.kept.add(code.value)
            return text(f"self.{code.value}")
        return None

    members, body = written[0]
    cls.members = {attr: code.mapped(named) for attr, code in members.items()}
    cls.body = [mapped(mapped(statement, named), kept) for statement in body]


def numbers(members: dict[str, Code], body: Sequence[Statement]) -> Iterable[Any]:
    found: list[Any] = []

    def note(code: Code) -> Code | None:
        if code.kind == "number":
            found.append(code.value)
            return code
        return None

    for code in members.values():
        code.mapped(note)
    for statement in body:
        mapped(statement, note)
    return found


class Known:
    """What the uses of a block differ in: its settings, the sizes of its tensors, and what else there is."""

    def __init__(self, frames: list[Frame]):
        self.candidates: dict[str, list[Any]] = {}
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

    def name(self, values: Sequence[Any]) -> Code | None:
        """What stands in place of numbers that differ; none where they do not."""
        if len({(v, type(v)) for v in values}) == 1:
            return None
        for name, known in (*self._settings_first(), *self.used.items()):
            for written, of in expressions(name):
                if [of(k) for k in known] == list(values):
                    self.used.setdefault(name, known)
                    return written
        number = 1
        while (name := f"size_{number}" if number > 1 else "size") in self.used:
            number += 1
        self.used[name] = list(values)
        return text(name)

    def _settings_first(self) -> list[tuple[str, list[Any]]]:
        sizes = ("channels_in", "features_in")
        found = list(self.candidates.items())
        return [f for f in found if f[0] not in sizes] + [f for f in found if f[0] in sizes]


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
    return frame.nodes[0].operator.values() if frame.what == "operator" else dict(frame.given)


# --- keys -------------------------------------------------------------------------------------------------


def body_key(frame: Frame, of: Callable[[Code], Any]) -> Any:
    """What frames have in common that are written alike, up to what `of` passes over."""
    places: dict[Any, int] = {key: place for place, key in enumerate(frame.params)}
    members = tuple((attr, code.key(of)) for attr, code in frame.members.items())
    body = tuple(statement_key(statement, places, of) for statement in frame.body)
    returns = tuple(places.get(value, -1) for value in frame.returns)
    return len(frame.params), members, body, returns, tuple(sorted(frame.lists))


def statement_key(statement: Any, places: dict[Any, int], of: Callable[[Code], Any]) -> Any:
    def leaf(code: Code) -> Any:
        return ("local", places[code.value]) if code.kind == "local" else of(code)

    if isinstance(statement, Let):
        key = statement.code.key(leaf)
        for target in statement.targets:
            places[target] = len(places)
        return "let", key
    if isinstance(statement, Each):
        begins = tuple(begin.key(leaf) for _, _, begin, _ in statement.carried)
        for _, cell, _, _ in statement.carried:
            places[cell] = len(places)
        body = tuple(statement_key(s, places, of) for s in statement.body)
        updates = tuple(update.key(leaf) for *_, update in statement.carried)
        for target, *_ in statement.carried:
            places[target] = len(places)
        return "each", statement.members, begins, body, updates
    raise AssertionError(statement)


def mapped(statement: Any, change: Callable[[Code], Code | None]) -> Any:
    from dataclasses import replace

    if isinstance(statement, Let):
        return replace(statement, code=statement.code.mapped(change))
    if isinstance(statement, Each):
        carried = tuple((t, c, b.mapped(change), u.mapped(change)) for t, c, b, u in statement.carried)
        return replace(statement, carried=carried, body=tuple(mapped(s, change) for s in statement.body))
    return replace(
        statement,
        body=tuple(mapped(s, change) for s in statement.body),
        otherwise=statement.otherwise.mapped(change),
        result=statement.result.mapped(change),
    )
