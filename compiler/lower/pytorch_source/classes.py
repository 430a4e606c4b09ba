"""Which frames are one class, and what its arguments are: the numbers that differ from use to use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.ir import Value
from dlc.compiler.lower.pytorch_source.code import Code, call, number, text
from dlc.compiler.lower.pytorch_source.frames import When
from dlc.compiler.lower.pytorch_source.hoisting import Temporary
from dlc.compiler.lower.pytorch_source.keys import body_key, mapped
from dlc.compiler.lower.pytorch_source.variants import Variant, has, swap, variant_of, written
from dlc.compiler.lower.pytorch_source.writer import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dlc.compiler.lower.pytorch_source.frames import Frame, Statement

FACTORS = (2, 3, 4, 8)


class Class:
    """A class of the file: the frames that are it, the first of which tells how it is written."""

    def __init__(self, frames: list[Frame], variant: Variant | None = None):
        self.name, self.frames, self.variant = "", list(frames), variant
        self.params: dict[str, list[Any]] = {}  # each argument, with its value in every frame
        self.kept: set[str] = set()  # arguments that `forward` reads
        self.members: dict[str, Code] = {}
        self.body: list[Statement] = []
        self.condition: Code | None = None  # of what only some have
        self.returns: list[Any] = []

    @property
    def first(self) -> Frame:
        return self.frames[0]

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
            Code("class", self),
            *(
                code if i < 2 or not named else Code("named", name, (code,))
                for i, (name, code) in enumerate(given)
            ),
        )


def classes_of(frames: Iterable[Frame], taken: set[str]) -> list[Class]:
    """The classes of frames, each behind those that it constructs."""
    templates: dict[Any, list[Frame]] = {}
    for frame in dict.fromkeys(frames):
        templates.setdefault((frame.what, frame.name), []).append(frame)
    made: list[Class] = []
    by_frame: dict[Frame, Class] = {}
    for key in in_order(templates):
        for cls in classes_of_template(templates[key], by_frame):
            is_model = key[0] == "model"
            cls.name = class_name("model" if is_model and camel(key[1]) in taken else key[1], taken)
            made.append(cls)
    return made


def in_order(templates: dict[Any, list[Frame]]) -> list[Any]:
    """Templates, each behind those that it constructs."""
    order: list[Any] = []
    begun: set[Any] = set()

    def visit(key: Any) -> None:
        if key in begun:
            return
        begun.add(key)
        for frame in templates[key]:
            for inner in constructed(frame):
                visit((inner.what, inner.name))
        order.append(key)

    for key in templates:
        visit(key)
    return order


def constructed(frame: Frame) -> list[Frame]:
    return [c.value for code in frame.members.values() for c in code.walk() if c.kind == "make"]


def classes_of_template(frames: list[Frame], by_frame: dict[Frame, Class]) -> list[Class]:
    """One class if all frames are written alike, or with something more in some of them; else several."""
    own = set(frames)
    groups = grouped(frames, lambda code: abstract(code, by_frame, own))
    variant = None
    if len(groups) == 2:
        variant = variant_of(groups, lambda code: abstract(code, by_frame, own))
    if len(groups) == 1 or variant is not None:
        cls = Class([*variant.fuller, *variant.plain] if variant else frames, variant)
        by_frame.update(dict.fromkeys(frames, cls))
        try:
            complete(cls, by_frame)
            return [cls]
        except Apart:
            for frame in frames:
                del by_frame[frame]
    made: dict[Any, Class] = {}
    for frame in frames:  # inner ones first
        key = body_key(frame, lambda code: abstract(code, by_frame, set()))
        made.setdefault(key, Class([])).frames.append(frame)
        by_frame[frame] = made[key]
    for cls in made.values():
        complete(cls, by_frame)
    return list(made.values())


class Apart(Exception):
    """Frames that are written alike, and cannot be constructed alike."""


def grouped(frames: Iterable[Frame], of: Callable[[Code], Any]) -> list[list[Frame]]:
    groups: dict[Any, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(body_key(frame, of), []).append(frame)
    return list(groups.values())


def abstract(code: Code, by_frame: dict[Frame, Class], own: set[Frame]) -> Any:
    """Numbers may differ between frames of one class, and modules are those of one class."""
    if code.kind == "number":
        return ("number",)
    if code.kind != "make":
        return None
    return ("make", "itself") if code.value in own else ("make", id(by_frame.get(code.value)))


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
        if code.kind != "make" or by_frame[code.value] is cls:
            return None
        return by_frame[code.value].made(code.value)

    first = cls.first
    units = [  # of each frame its modules, with what they construct, and its statements
        {attr: code.mapped(construct) for attr, code in frame.members.items()} | statements_of(cls, frame)
        for frame in cls.frames
    ]
    columns: list[list[Any]] = [[] for _ in cls.frames]
    for key, unit in units[0].items():
        for column, own in zip(columns, units, strict=True):
            column += numbers(own[key]) if key in own else [None] * len(numbers(unit))
    known = Known(cls.frames)
    words = [word for unit in units[0].values() for word in keywords(unit)]
    rows = zip(zip(*columns, strict=True), words, strict=True)
    names = iter([known.name(values, word) for values, word in rows])

    def named(code: Code) -> Code | None:
        return next(names) or code if code.kind == "number" else None

    done = {key: mapped(unit, named) for key, unit in units[0].items()}
    if cls.variant is not None:
        cls.condition = written(cls.variant.condition, cls.variant.truth, known.stands_for)
        if cls.condition is None:
            raise Apart
    cls.params = known.used
    cls.members = {attr: construct_itself(cls, attr, done[attr], known) for attr in first.members}
    cls.returns = list(first.returns)
    body = [done[place] for place in range(len(first.body))]
    if cls.variant is not None:
        body = conditional(cls, cls.variant, body)

    def kept(code: Code) -> Code | None:
        if code.kind == "text" and code.value in cls.params:
            cls.kept.add(code.value)
            return text(f"self.{code.value}")
        return None

    cls.body = [mapped(statement, kept) for statement in body]


def statements_of(cls: Class, frame: Frame) -> dict[int, Any]:
    """The statements of a frame, by their places in the fullest."""
    variant = cls.variant
    if variant is None or frame in variant.fuller:
        return dict(enumerate(frame.body))
    more = variant.stop - variant.start
    return {place + (more if place >= variant.start else 0): s for place, s in enumerate(frame.body)}


def conditional(cls: Class, variant: Variant, body: list[Any]) -> list[Any]:
    optional = variant.optional()
    test = has(safe(optional[0])) if optional else cls.condition
    assert test is not None
    run, result, target = (
        tuple(body[variant.start : variant.stop]),
        body[variant.stop - 1].targets[0],
        Temporary(),
    )
    when = When(test, target, Code("local", variant.value), run, Code("local", result))
    cls.returns = [target if key is result else key for key in cls.returns]
    after = [mapped(statement, swap(result, target)) for statement in body[variant.stop :]]
    return [*body[: variant.start], when, *after]


def construct_itself(cls: Class, attr: str, code: Code, known: Known) -> Code:
    """A module of the class within itself: its arguments are those of the class around it."""

    def construct(part: Code) -> Code | None:
        if part.kind != "make":
            return None
        inner = [next((c for c in constructed(f) if c in cls.frames), None) if attr in f.members else None
                 for f in cls.frames]  # fmt: skip
        places = [None if frame is None else cls.frames.index(frame) for frame in inner]
        arguments = []
        for values in list(known.used.values()):
            wanted = [None if place is None else values[place] for place in places]
            before = len(known.used)
            found = known.name(wanted) or number(next(v for v in wanted if v is not None))
            if len(known.used) != before:
                raise Apart
            arguments.append(found)
        return Code("call", None, (Code("class", cls), *arguments))

    return code.mapped(construct)


def numbers(unit: Any) -> list[Any]:
    """The numbers in a module or a statement."""
    found: list[Any] = []

    def note(code: Code) -> Code | None:
        if code.kind == "number":
            found.append(code.value)
            return code
        return None

    mapped(unit, note)
    return found


def keywords(unit: Any) -> list[str]:
    """For each of these numbers the name of the argument that it is, where it has one."""
    found: list[str] = []

    def note(code: Code) -> Code | None:
        if code.kind == "keyword" and code.parts[0].kind == "number":
            found.append(code.value)
            return code
        if code.kind == "number":
            found.append("")
        return code if code.kind == "number" else None

    mapped(unit, note)
    return found


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
