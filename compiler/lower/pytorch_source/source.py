"""Classes as lines of Python."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.ir.graph import Graph
from dlc.compiler.lower.pytorch_source.code import Code, lines, number, signature, text
from dlc.compiler.lower.pytorch_source.forms import Functions, Sizes
from dlc.compiler.lower.pytorch_source.frames import numbered_name
from dlc.compiler.lower.pytorch_source.hoisting import hoisted
from dlc.compiler.lower.pytorch_source.naming import Namer
from dlc.compiler.lower.pytorch_source.writer import IMPORTED, Shared, Writer, local, safe

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dlc.compiler.lower.pytorch_source.classes import Class


def class_lines(
    cls: Class, doc: Sequence[str], names: dict[Any, str], learning: bool, optional: Collection[Any] = ()
) -> list[str]:
    """A class with its constructor and `forward`; `names` are those of what it is given,
    `learning` says whether it is trained."""
    frame = cls.first
    found = [f"class {cls.name}(nn.Module):", *doc]
    body = member_lines(cls)
    if body:
        head = signature("    def __init__", ["self", *cls.params, *cls.modules])
        found += [*head, "        super().__init__()", *body, ""]
    namer = Namer(
        {key: safe(names[key], IMPORTED) for key in frame.params},
        cls.body,
        returned(cls),
        lambda entries: entries_text(cls, entries),
    )
    given = [f"{n}=None" if key in optional else n for key, n in namer.names.items()]
    found += signature("    def forward", ["self", *given])
    listed = Lists(cls)
    statements = [listed.statement(s) for s in cls.body]
    ends = [listed.code(c) for c in returned(cls)]
    found += [*namer.block(statements, 8, ends), *namer.ending(ends, 8)]
    if cls.learns and learning:
        found += learn_lines(cls)
    return [line.rstrip() for line in found]


def learn_lines(cls: Class) -> list[str]:
    """The method of an operator that learns from rows: each of its buffers."""
    node = cls.first.nodes[0]
    writer = Writer(Shared(Graph((), (), (), {}), ()), cls.first)
    writer.env[node.operands[0]] = local(node.operands[0])
    made = node.operator.fit_torch(
        Functions(Sizes({node.operands[0]: local(node.operands[0])})), local(node.operands[0])
    )
    codes = hoisted([value._code for value in made.values()], writer.body)
    leaves = {code.value: leaf for leaf, code in zip(made, codes, strict=True) if code.kind == "local"}
    writer.body = [replace(let, hint=leaves.get(let.targets[0], "")) for let in writer.body]
    namer = Namer({node.operands[0]: "x"}, writer.body, codes)
    found = ["", "    def learn(self, x):", *namer.block(writer.body, 8, codes)]
    for leaf, code in zip(made, codes, strict=True):
        found += namer.fitted(Code("call", None, (text(f"self.{leaf}.copy_"), namer.consume(code))), 8, "")
    return found


def returned(cls: Class) -> list[Code]:
    return [Code("local", value) for value in cls.returns]


def member_lines(cls: Class) -> list[str]:
    found = [f"        self.{name} = {name}" for name in sorted(cls.kept)]
    done: set[str] = set()
    optional = cls.variant.optional() if cls.variant is not None else []
    members = {attr: code for attr, code in cls.members.items() if attr not in optional}
    found += modules(cls, members, 8, done)
    if optional and cls.condition is not None:
        found += lines(cls.condition, 8, "if ", ":")
        found += modules(cls, {attr: cls.members[attr] for attr in optional}, 12, done)
    return found


def modules(cls: Class, members: dict[str, Code], indent: int, done: set[str]) -> list[str]:
    found: list[str] = []
    for attr, code in members.items():
        base = base_of(attr)
        if base in cls.first.lists:
            if base not in done:
                done.add(base)
                found += lines(listed(cls, base), indent, f"self.{list_name(base)} = ")
        elif code.kind == "buffer":
            made = Code("call", None, (text("self.register_buffer"), text(f'"{attr}"'), *code.parts))
            found += lines(made, indent)
        else:
            found += lines(code, indent, f"self.{safe(attr)} = ")
    return found


def base_of(attr: str) -> str:
    return numbered_name(attr)[0]


def list_name(base: str) -> str:
    return f"{base}s"


def listed(cls: Class, base: str) -> Code:
    """The modules of one kind in a list: those that are alike as a comprehension."""
    modules = [code for attr, code in cls.members.items() if base_of(attr) == base]
    runs: list[tuple[Code, int]] = []
    for code in modules:
        if runs and runs[-1][0].key(lambda c: None) == code.key(lambda c: None):
            runs[-1] = (code, runs[-1][1] + 1)
        else:
            runs.append((code, 1))
    parts = [Code("copies", None, (code, number(count))) if count > 1 else code for code, count in runs]
    if len(parts) == 1 and parts[0].kind == "copies":
        return Code("call", None, (text("nn.ModuleList"), parts[0]))
    parts = [Code("star", None, (part,)) if part.kind == "copies" else part for part in parts]
    return Code("call", None, (text("nn.ModuleList"), Code("list", None, tuple(parts))))


class Lists:
    """Modules as the class holds them: by their names, or by their places in a list."""

    def __init__(self, cls: Class):
        self.cls = cls

    def statement(self, statement: Any) -> Any:
        from dlc.compiler.lower.pytorch_source.keys import mapped

        return mapped(statement, self.change)

    def code(self, code: Code) -> Code:
        return code.mapped(self.change)

    def change(self, code: Code) -> Code | None:
        if code.kind != "member":
            return None
        base, place = numbered_name(code.value)
        if base not in self.cls.first.lists:
            return text(f"self.{safe(code.value)}")
        return Code("index", None, (text(f"self.{list_name(base)}"), number(place)))


def entries_text(cls: Class, entries: Code) -> Code:
    """The part of a list that a loop runs over."""
    name, start, step, copies = entries.value
    if name not in cls.first.lists:
        places = range(start + 1, start + 1 + copies * step, step)
        each = (safe(name if place == 1 else f"{name}_{place}") for place in places)
        return Code("tuple", None, tuple(text(f"self.{attr}") for attr in each))
    whole = sum(base_of(attr) == name for attr in cls.members)
    end = start + 1 + (copies - 1) * step
    over = text(f"self.{list_name(name)}")
    keys = (
        number(start) if start else text("None"),
        number(end) if end < whole - step + 1 else text("None"),
        number(step) if step > 1 else text("None"),
    )
    return (
        over
        if all(k.kind == "text" for k in keys)
        else Code("index", None, (over, Code("slice", None, keys)))
    )
