"""Which frames are one class, and what its arguments are: the numbers that differ from use to use."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.pytorch_source.arguments import Apart, Known
from dlc.compiler.lower.pytorch_source.code import Code, call, number, text
from dlc.compiler.lower.pytorch_source.frames import When
from dlc.compiler.lower.pytorch_source.hoisting import Temporary
from dlc.compiler.lower.pytorch_source.keys import body_key, mapped
from dlc.compiler.lower.pytorch_source.variants import Variant, has, swap, variant_of, written
from dlc.compiler.lower.pytorch_source.writer import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dlc.compiler.lower.pytorch_source.frames import Frame, Statement


class Class:
    """A class of the file: the frames that are it, the first of which tells how it is written."""

    def __init__(self, frames: list[Frame], variant: Variant | None = None):
        self.name, self.frames, self.variant = "", list(frames), variant
        self.params: dict[str, list[Any]] = {}  # each argument, with its value in every frame
        self.modules: dict[str, list[Callable[[], Code]]] = {}  # those that are modules, made before
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
        return self.first.what == "operator" and self.first.nodes[0].operator.is_fitted()

    def made(self, frame: Frame) -> Code:
        """How one of its frames is constructed."""
        place = self.frames.index(frame)
        given = [(name, number(values[place])) for name, values in self.params.items()]
        given += [(name, made[place]()) for name, made in self.modules.items()]
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
    if any(inner in own for frame in frames for inner in constructed(frame)):
        recursive = [Class(group) for group in groups]  # inner ones first
        by_frame.update({frame: cls for cls in recursive for frame in cls.frames})
        try:
            for cls in recursive:
                take_modules(cls, by_frame)
                complete(cls, by_frame)
            return recursive
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


def take_modules(cls: Class, by_frame: dict[Frame, Class]) -> None:
    """Let a class be given the modules that are of another class from use to use, as recursion has them."""
    for attr, code in cls.first.members.items():
        if code.kind != "make":
            continue
        inner = [frame.members[attr].value for frame in cls.frames]
        if cls in {by_frame[frame] for frame in inner}:
            cls.modules[safe(attr)] = [partial(made_of, by_frame, frame) for frame in inner]
        elif any(frame.members and not by_frame[frame].members for frame in inner):
            raise Apart  # it is not complete


def made_of(by_frame: dict[Frame, Class], frame: Frame) -> Code:
    return by_frame[frame].made(frame)


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
        {
            attr: text(safe(attr)) if safe(attr) in cls.modules else code.mapped(construct)
            for attr, code in frame.members.items()
        }
        | statements_of(cls, frame)
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
