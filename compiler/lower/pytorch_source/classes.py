"""Which frames are one class, and what its arguments are: the numbers in which the frames differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.python_code import Code, call, number, text
from dlc.compiler.lower.pytorch_source.arguments import Arguments, Unnamed
from dlc.compiler.lower.pytorch_source.statements import Branch, local, mapped
from dlc.compiler.lower.pytorch_source.variants import Variant, condition, variant_of
from dlc.compiler.lower.pytorch_source.writer import frame_key
from dlc.compiler.lower.symbolic import Local
from dlc.compiler.lower.torch_names import safe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.lower.pytorch_source.frames import Frame
    from dlc.compiler.lower.pytorch_source.statements import Statement


class Class:
    """A class of the file: the frames that are uses of it. The first says how it is written, the fullest one
    where some have something more (`variant`)."""

    def __init__(self, frames: list[Frame], variant: Variant | None = None):
        self.name, self.frames, self.variant = "", frames, variant
        self.params: dict[str, list[Any]] = {}  # each argument, with its value in every frame
        self.kept: set[str] = set()  # arguments that `forward` reads
        self.members: dict[str, Code] = {}
        self.body: list[Statement] = []
        self.returns: list[Code] = []
        self.condition: Code | None = None  # of what only some frames have

    @property
    def first(self) -> Frame:
        return self.frames[0]

    @property
    def learns(self) -> bool:
        """Whether it is an operator that is fitted to rows before training."""
        return self.first.what == "operator" and self.first.operator.learns()

    def constructed(self, frame: Frame) -> Code:
        """How one of its frames is constructed."""
        place = self.frames.index(frame)
        given = [(name, number(values[place])) for name, values in self.params.items()]
        if len(given) <= 3:
            return call(Code("class", self), *(code for _, code in given))
        return call(Code("class", self), *(code for _, code in given[:2]), **dict(given[2:]))


def classes_of(frames: Iterable[Frame], taken: set[str]) -> list[Class]:
    """The classes of frames, each behind those that it constructs."""
    templates: dict[Any, list[Frame]] = {}
    for frame in frames:
        templates.setdefault((frame.what, frame.name), []).append(frame)
    made: list[Class] = []
    by_frame: dict[Frame, Class] = {}
    for key in in_order(templates):
        for cls in classes_of_template(templates[key], by_frame):
            name = camel(key[1])
            cls.name = class_name("Model" if key[0] == "model" and name in taken else name, taken)
            made.append(cls)
    return made


def in_order(templates: dict[Any, list[Frame]]) -> list[Any]:
    """Blocks by name, each behind those that it constructs."""
    order: list[Any] = []
    begun: set[Any] = set()

    def visit(key: Any) -> None:
        if key not in begun:
            begun.add(key)
            for inner in (inner for frame in templates[key] for inner in frame.inner()):
                visit((inner.what, inner.name))
            order.append(key)

    for key in templates:
        visit(key)
    return order


def classes_of_template(frames: list[Frame], by_frame: dict[Frame, Class]) -> list[Class]:
    """One class if all uses of a block are written alike, or with something more in some of them; else one for
    each way in which they are written."""
    own = set(frames)

    def of(code: Code) -> Any:
        if code.kind == "number":
            return ("number",)
        if code.kind != "make":
            return None
        return ("make", "itself") if code.value in own else ("make", id(by_frame[code.value]))

    groups: dict[Any, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(frame_key(frame, of), []).append(frame)
    variant = variant_of([*groups.values()], of) if len(groups) == 2 else None
    if len(groups) == 1 or variant is not None:
        cls = Class([*variant.fuller, *variant.plain] if variant else frames, variant)
        by_frame.update(dict.fromkeys(frames, cls))
        try:
            complete(cls, by_frame)
            return [cls]
        except Unnamed:
            pass
    own.clear()
    made: dict[Any, Class] = {}
    for frame in frames:  # inner ones first
        by_frame[frame] = made.setdefault(frame_key(frame, of), Class([]))
        by_frame[frame].frames.append(frame)
    for cls in made.values():
        complete(cls, by_frame)
    return list(made.values())


def class_name(name: str, taken: set[str]) -> str:
    place, own = 1, name
    while own in taken:
        place += 1
        own = f"{name}{place}"
    taken.add(own)
    return own


def camel(name: str) -> str:
    parts = "".join(c if c.isalnum() else " " for c in name).split()
    joined = "".join(part[0].upper() + part[1:] for part in parts)
    return joined if joined[:1].isalpha() else f"Model{joined}"


# --- arguments --------------------------------------------------------------------------------------------


def complete(cls: Class, by_frame: dict[Frame, Class]) -> None:
    """Find the arguments of a class, and write it with their names."""

    def construct(code: Code) -> Code | None:
        inner = by_frame[code.value] if code.kind == "make" else cls
        return inner.constructed(code.value) if inner is not cls else None

    units = [
        {attr: code.mapped(construct) for attr, code in frame.members.items()} | statements_of(cls, frame)
        for frame in cls.frames
    ]
    arguments = Arguments(cls.frames)
    names = []
    for key, unit in units[0].items():
        found = [numbers(own[key]) if key in own else None for own in units]
        for place, (_, word) in enumerate(found[0] or ()):
            names.append(arguments.name([each and each[place][0] for each in found], word))
    named = iter(names)
    done = {key: mapped(u, lambda c: next(named) or c if c.kind == "number" else None) for key, u in units[0].items()}
    if cls.variant is not None:
        cls.condition = condition(cls.variant, arguments)
    cls.params = arguments.used
    cls.members = {attr: within_itself(cls, attr, done[attr], arguments) for attr in cls.first.members}
    body = [done[place] for place in range(len(cls.first.body))]
    cls.returns = [done[f"return {place}"] for place in range(len(cls.first.returns))]
    if cls.variant is not None:
        body = with_branch(cls, cls.variant, body)

    def keep(code: Code) -> Code | None:
        if code.kind == "text" and code.value in cls.params:
            cls.kept.add(code.value)
            return text(f"self.{code.value}")
        return None

    cls.body = [mapped(statement, keep) for statement in body]
    cls.returns = [mapped(code, keep) for code in cls.returns]


def statements_of(cls: Class, frame: Frame) -> dict[Any, Any]:
    """The statements of a frame by their places in the fullest, and what it returns."""
    returns = {f"return {place}": code for place, code in enumerate(frame.returns)}
    variant = cls.variant
    start, more = (len(frame.body), 0) if variant is None or frame in variant.fuller else \
        (variant.start, variant.stop - variant.start)  # fmt: skip
    return {place + more * (place >= start): s for place, s in enumerate(frame.body)} | returns


def with_branch(cls: Class, variant: Variant, body: list[Any]) -> list[Any]:
    """The statements with those that only some frames have under a condition."""
    optional = variant.optional()
    test = text(f'hasattr(self, "{safe(optional[0])}")') if optional else cls.condition
    assert test is not None
    run, target = tuple(body[variant.start : variant.stop]), Local()
    result = run[-1].targets[0]

    def renamed(code: Code) -> Code | None:
        return local(target) if code.kind == "local" and code.value is result else None

    cls.returns = [code.mapped(renamed) for code in cls.returns]
    branch = Branch(test, target, local(variant.value), run, local(result))
    return [*body[: variant.start], branch, *(mapped(s, renamed) for s in body[variant.stop :])]


def within_itself(cls: Class, attr: str, code: Code, arguments: Arguments) -> Code:
    """A member; a module of the class within itself has arguments made of those of the class around it."""
    if not any(part.kind == "make" for part in code.walk()):
        return code
    inner = [frame.members[attr].value if attr in frame.members else None for frame in cls.frames]
    given = []
    for values in list(arguments.used.values()):
        wanted = [None if frame is None else values[cls.frames.index(frame)] for frame in inner]
        before = len(arguments.used)
        found = arguments.name(wanted) or number(next(value for value in wanted if value is not None))
        if len(arguments.used) != before:
            raise Unnamed
        given.append(found)
    return call(Code("class", cls), *given)


def numbers(unit: Any) -> list[tuple[Any, str]]:
    """The numbers of a member or a statement, each with the name of the argument that it is."""
    found: list[tuple[Any, str]] = []

    def note(code: Code) -> Code | None:
        is_keyword = code.kind == "keyword" and code.parts[0].kind == "number"
        if is_keyword or code.kind == "number":
            found.append((code.parts[0].value, code.value) if is_keyword else (code.value, ""))
            return code
        return None

    mapped(unit, note)
    return found
