"""The lines of the classes of the file."""

from __future__ import annotations

import re
from textwrap import fill, indent
from typing import TYPE_CHECKING

from dlc.compiler.lower.python_code import Code, call, lines, number, signature, text
from dlc.compiler.lower.pytorch_source.frames import numbered_name
from dlc.compiler.lower.pytorch_source.naming import IMPORTED, Namer
from dlc.compiler.lower.pytorch_source.statements import mapped
from dlc.compiler.lower.symbolic import BodyRecorder, Let, Local, Symbol
from dlc.compiler.lower.torch_names import safe

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dlc.compiler.lower.pytorch_source.classes import Class
    from dlc.compiler.lower.pytorch_source.statements import Statement


def class_lines(
    cls: Class, given: Mapping[Local, str], optional: Collection[Local] = (), methods: Sequence[str] = ()
) -> list[str]:
    """A class: its constructor, `forward` with these parameter names, and other methods. Parameters that are
    `optional` have the default None."""
    found = [f"class {cls.name}(nn.Module):", *class_docstring(cls)]
    body = [*(f"        self.{name} = {name}" for name in cls.params if name in cls.kept), *member_lines(cls)]
    if body:
        head = signature("    def __init__", ["self", *cls.params])
        found += [*head, "        super().__init__()", *body, ""]
    parameters = [f"{name}=None" if key in optional else name for key, name in given.items()]
    found += method(cls, signature("    def forward", ["self", *parameters]), given, cls.body, cls.returns)
    if cls.is_fitted:
        found += ["", *fit_method(cls)]
    return [line.rstrip() for line in (*found, *methods)]


def method(cls: Class, head: list[str], given: Mapping[Local, str], body: Sequence[Statement],
           returns: Sequence[Code]) -> list[str]:  # fmt: skip
    """A method with this signature and these parameter names. Members become attributes of `self`."""

    def change(code: Code) -> Code | None:
        if code.kind != "member":
            return None
        base, index = numbered_name(code.value)
        if base in cls.first.lists:
            return Code("index", None, (text(f"self.{base}s"), number(index)))
        return text(f"self.{safe(code.value)}")

    statements, returns = [mapped(s, change) for s in body], [code.mapped(change) for code in returns]
    namer = Namer(given, statements, returns, lambda entries: loop_range(cls, entries))
    return [*head, *namer.block(statements, 8, returns), *namer.return_lines(returns, 8)]


def parameter_names(cls: Class) -> dict[Local, str]:
    """The parameter names of `forward` of a block, a net or an operator."""
    frame = cls.first
    own = {key: key[1] if isinstance(key, tuple) else getattr(key, "field", key.name.split(".")[-1])
           for key in frame.params.values()}  # fmt: skip
    if frame.kind == "operator":
        node, count = frame.nodes[0], len(frame.operator.positional)
        positional, named = node.operator.split(node.operands)
        own |= dict(zip(positional[:count], type(frame.operator).operand_names(), strict=False))
        own |= {value: value.name.split(".")[0] for value in positional[count:]}
        own |= {value: name for name, value in named.items()}
    else:
        own |= {value: name for value, name in frame.given_tensors.items() if value in own}
    taken: list[str] = [*IMPORTED]
    for key in frame.params.values():
        taken.append(safe(own[key], taken))
    return dict(zip(frame.params, taken[len(IMPORTED) :], strict=True))


def class_docstring(cls: Class) -> list[str]:
    """The first sentence of an operator's documentation."""
    if cls.first.kind != "operator":
        return []
    summary = type(cls.first.operator).summary().replace("`", "").rstrip(".")
    summary = re.sub(r"; (torch|ONNX).*", ")", re.sub(r" \((torch|ONNX).*", "", summary))
    return [*docstring(f"{summary}.", 4), ""]


def docstring(words: str, by: int) -> list[str]:
    return indent(fill(f'"""{words}"""', 88 - by), " " * by).split("\n")


def fit_method(cls: Class) -> list[str]:
    """The method `fit`, which fits the buffers of an operator to rows before training."""
    x, recorder = Local(), BodyRecorder({})
    made = cls.first.nodes[0].operator.fit_torch(recorder, Symbol(recorder, Code("local", x)))
    for leaf, symbol in made.items():
        if symbol._code.kind == "local":
            symbol._code.value.hint = leaf
    copies = [Let((), call(text(f"self.{leaf}.copy_"), symbol._code)) for leaf, symbol in made.items()]
    statements = [*recorder.statements, *copies]
    head = ["    @torch.no_grad()", "    def fit(self, x):"]
    return [*head, *Namer({x: "x"}, statements, ()).block(statements, 8)]


def member_lines(cls: Class) -> list[str]:
    found: list[str] = []
    for attr, code in cls.members.items():
        base, index = numbered_name(attr)
        if base in cls.first.lists:
            found += lines(module_list(cls, base), 8, f"self.{base}s = ") if not index else []
        elif code.kind == "buffer":
            found += lines(call(text("self.register_buffer"), text(f'"{attr}"'), *code.parts), 8)
        else:
            found += lines(code, 8, f"self.{safe(attr)} = ")
    return found


def module_list(cls: Class, base: str) -> Code:
    """The `nn.ModuleList` of modules with one base name; a comprehension if all are equal."""
    modules = [code for attr, code in cls.members.items() if numbered_name(attr)[0] == base]
    if len({code.key(lambda c: None) for code in modules}) == 1:
        return call(text("nn.ModuleList"), Code("copies", None, (modules[0], number(len(modules)))))
    return call(text("nn.ModuleList"), Code("list", None, tuple(modules)))


def loop_range(cls: Class, entries: Code) -> Code:
    """The slice of a list that a loop iterates over, or a tuple of modules that are not in a list."""
    base, start, step, copies = entries.value
    end = start + 1 + (copies - 1) * step
    if base not in cls.first.lists:
        names = (safe(base if index == 0 else f"{base}_{index + 1}") for index in range(start, end, step))
        return Code("tuple", None, tuple(text(f"self.{name}") for name in names))
    count = sum(numbered_name(attr)[0] == base for attr in cls.members)
    part = f"{start or ''}:{end if end < count - step + 1 else ''}" + (f":{step}" if step > 1 else "")
    return text(f"self.{base}s" + (f"[{part}]" if part != ":" else ""))
