"""A program as a short PyTorch file that a person could have written: text in, text out."""

from __future__ import annotations

from textwrap import fill, indent
from typing import TYPE_CHECKING, Any

from dlc.compiler.ir.graph import GraphInput
from dlc.compiler.lower.pytorch_source.emitter import Emitter
from dlc.compiler.lower.pytorch_source.functions import answers, load_weights, numbered
from dlc.compiler.lower.pytorch_source.source import class_lines
from dlc.compiler.lower.pytorch_source.training import training
from dlc.compiler.lower.pytorch_source.writer import NotEmitted

if TYPE_CHECKING:
    from dlc.compiler.ir.graph import Value
    from dlc.compiler.lower.pytorch_source.classes import Class
    from dlc.compiler.program import CompiledProgram


def emit(program: CompiledProgram) -> str:
    """The file: the modules, what they answer, how they are trained, and the data."""
    program.check_answers()
    try:
        return whole(program)
    except NotEmitted as error:
        site, name = error.node.site, error.node.operator.name
        message = f"`{name}` cannot be said in plain PyTorch: {error}"
        raise Emitter.cannot("E0820", site.span, message, "", site.way()) from None


def whole(program: CompiledProgram) -> str:
    e = Emitter(program)
    trained = training(e)
    body: list[str] = []
    for cls in e.classes:
        optional = e.targets if cls is e.model else ()
        body += ["", "", *class_lines(cls, doc(cls), names_of(cls), e.learns, optional)]
    body += answers(e)
    loading = load_weights(e) if program.graph.weights else []
    body += numbered() if e.needs_numbered else []
    body += loading
    body += trained
    text = "\n".join(
        [*opening(program, e.opens), *import_lines(e, body), *e.constant_lines(), *table(e), *body]
    )
    return text.rstrip() + "\n"


def opening(program: CompiledProgram, opens: bool) -> list[str]:
    text = (program.description or program.name).replace("\\", "\\\\").replace('"""', "'''").split("\n")
    text = [line.rstrip() for line in text]
    text += ["", "Run it in the folder of the spec: its paths are relative to that."] if opens else []
    end = " " if text[-1].endswith('"') else ""
    return (
        [f'"""{text[0]}', *text[1:-1], f'{text[-1]}{end}"""', ""]
        if len(text) > 1
        else [f'"""{text[0]}{end}"""', ""]
    )


def import_lines(e: Emitter, body: list[str]) -> list[str]:
    """Imports in the order of isort: the standard library first."""
    whole = "\n".join(body)
    wanted = {line for line in e.imports}
    if "F." in whole:
        wanted.add("from torch.nn import functional as F")
    utilities = sorted(line.split()[-1] for line in wanted if line.startswith("from torch.utils.data"))
    wanted = {line for line in wanted if not line.startswith("from torch.utils.data")}
    wanted |= {f"from torch.utils.data import {', '.join(utilities)}"} if utilities else set()
    own = sorted((line for line in wanted if line.split()[1].split(".")[0] in STANDARD), key=order)
    others = sorted((line for line in wanted if line not in own), key=order)
    return [*own, *([""] if own else []), *others]


STANDARD = ("copy", "csv", "gzip", "json", "itertools", "math", "os", "re")


def order(line: str) -> tuple[int, str]:
    return line.startswith("from"), line.split()[1]


def table(e: Emitter) -> list[str]:
    """The names of weights, where no rule says them."""
    if not e.needs_table:
        return []
    entries = [f'    "{own}": "{spec}",' for own, spec in e.needs_table.items()]
    return ["", "NAMES = {", *entries, "}"]


def names_of(cls: Class) -> dict[Any, str]:
    frame = cls.first
    own = {key: key[1] if isinstance(key, tuple) else last(key) for key in frame.params}
    given = {value: name for name, value in frame.given.items() if value in own} if frame.use else {}
    if frame.what == "operator":
        node, count = frame.nodes[0], len(frame.operator.positional)
        flowing, named = node.operator.split(node.operands)
        given = dict(zip(flowing[:count], type(frame.operator).operand_names(), strict=False))
        given |= {value: value.name.split(".")[0] for value in flowing[count:]}
        given |= {value: name for name, value in named.items()}
    return own | given


def last(value: Value) -> str:
    """The field of an input; of other values the last part of the name."""
    return value.field if isinstance(value, GraphInput) else value.name.split(".")[-1]


def doc(cls: Class) -> list[str]:
    """An operator says in its first sentence what it computes."""
    if cls.first.what != "operator":
        return []
    text = type(cls.first.operator).summary().replace("`", "").split(" (torch")[0].split(" (ONNX")[0]
    return [*indent(fill(f'"""{text.rstrip(".")}."""', 84), "    ").split("\n"), ""]
