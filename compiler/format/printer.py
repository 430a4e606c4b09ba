"""Printers of the syntax tree and the graph: deterministic text. `lower.lowered_text` has those of the later
stages."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import spell_value
from dlc.compiler.types import Tensor, spell, spell_ignored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler import syntax
    from dlc.compiler.ir.graph import Graph, Node, Value, Weight

MAX_NUMBERS = 16  # numbers of a constant that are printed
INDENT = "  "
MAX_INDENT = 200  # maximum indentation level of a tree


# --- the graph --------------------------------------------------------------------------------------------


def print_graph(graph: Graph, name: str) -> str:
    """A line for every input, weight, node and output, with types and source locations."""
    return "\n".join([f"graph {name} {{", *inside(graph), "}"]) + "\n"


def inside(graph: Graph) -> Iterator[str]:
    """The lines of a graph. Those of a graph within a node follow the node: `body {`, its lines, `}`."""
    yield from (f"{INDENT}input {typed(v)}{place(v)}" for v in graph.inputs)
    yield from (f"{INDENT}{print_weight(w)}" for w in graph.weights)
    for node in graph.nodes:
        yield f"{INDENT}{print_node(node)}"
        for role, inner in node.graphs.items():
            yield from (f"{INDENT * 2}{line}" for line in (f"{role} {{", *inside(inner), "}"))
    yield from (f"{INDENT}output {name} = %{v.name}" for name, v in graph.outputs.items())


def print_weight(weight: Weight) -> str:
    """A weight with its role: `weight %dense.weight : float[16, 4] = he_normal  # iris.dl:7:6`."""
    value, initial = weight.value, f"%{weight.follows}" if weight.follows else weight.initial
    return f"{weight.role} %{value.name} : {value.type} = {initial}{place(value)}"


def print_node(node: Node) -> str:
    """`%dense = dense(units=16) %x weight=%dense.weight : float[16]  # iris.dl:7:6`."""
    results = ", ".join(f"%{v.name}" for v in node.results)
    operands, given = node.operator.split(node.operands)
    named = {**given, **node.weights}
    reads = [f"%{v.name}" for v in operands] + [f"{name}=%{v.name}" for name, v in named.items()]
    types = ", ".join(print_type(v.type) for v in node.results)
    call = " ".join([print_call(node), *reads])
    return f"{results} = {call} : {types}  # {node.site.place}"


def print_call(node: Node, *, short: bool = False) -> str:
    """The operator with its settings that differ from the defaults; in `short` form, required settings are
    printed without their names."""
    operator = node.operator
    first, parts = [], []
    for key, declared in operator.settings.items():
        value = getattr(operator, key)
        if value == declared.default or isinstance(value, Tensor):
            continue
        if short and declared.required:
            first.append(print_value(value))
        else:
            parts.append(f"{key}={print_value(value)}")
    given = ", ".join([*first, *parts])
    return f"{operator.name}({given})" if given else operator.name


def print_value(value: Any) -> str:
    """The value of a setting; a large constant as its shape."""
    if isinstance(value, (list, tuple)) and size_of(value) > MAX_NUMBERS:
        return f"constant{shape_of(value)}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(print_value, value))}]"
    return spell_value(value)


def size_of(value: Any) -> int:
    return sum(map(size_of, value)) if isinstance(value, (list, tuple)) else 1


def shape_of(value: Any) -> list[int]:
    return [len(value), *shape_of(value[0])] if isinstance(value, (list, tuple)) and value else []


def typed(value: Value) -> str:
    return f"%{value.name} : {print_type(value.type)}"


def place(value: Value) -> str:
    return f"  # {value.site.place}"


def print_type(type: Tensor) -> str:
    """The type: `float[16]`, `class(3)`. A value without batch axis is `unbatched`."""
    element, shown = type.element, []
    if element == "class" and type.classes is not None:
        shown.append(str(type.classes.count))
    shown += [spell_ignored(type.ignore)] if type.ignore else []
    element += f"({', '.join(shown)})" if shown else ""
    return spell(element, type.shape) + ("" if type.batched else " unbatched")


# --- the syntax tree --------------------------------------------------------------------------------------


def print_syntax(file: syntax.File) -> str:
    """The tree, one node per line with its source location; child nodes are indented."""
    lines = [f"file {file.source.name}"]
    if file.description:
        lines += [f"{INDENT}description {spell_text(file.description)}"]
    for statement in file.body:
        lines += tree(statement)
    return "\n".join(lines) + "\n"


def tree(root: Any) -> Iterator[str]:
    """A line for each node in preorder. It is iterative, because a long sum is a deep tree."""
    waiting = [(root, 1, "")]
    while waiting:
        node, depth, label = waiting.pop()
        line, parts = node_line(node)
        yield f"{INDENT * min(depth, MAX_INDENT)}{label}{line}"
        waiting += [(part, depth + 1, f"{name}: ") for name, part in reversed(parts)]


def node_line(node: Any) -> tuple[str, list[tuple[str, Any]]]:
    """The text of a node with its plain fields; and its child nodes with their field names."""
    plain, below = [type(node).__name__.lower().strip("_")], []
    for field in fields(node):
        value = getattr(node, field.name)
        if field.name.endswith("span"):
            continue
        if is_tree(value):
            below.append((field.name, value))
        elif value is not None or field.name == "value":
            plain.append(spell_text(value) if field.name in ("value", "path") else f"{spell_name(value)}")
    where = f"  # {line_of(node)}" if hasattr(node, "span") else ""
    parts = [(n, part) for n, value in below for part in (value if isinstance(value, tuple) else (value,))]
    return f"{' '.join(p for p in plain if p)}{where}", parts


def is_tree(value: Any) -> bool:
    """Whether a field is a node or a tuple of nodes."""
    if isinstance(value, tuple):
        return bool(value) and is_tree(value[0])
    return hasattr(value, "__dataclass_fields__") and type(value).__name__ != "Ident"


def spell_name(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(spell_name, value))
    return getattr(value, "id", str(value).lower() if isinstance(value, bool) else str(value))


def spell_text(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def line_of(node: Any) -> str:
    line, column = node.span.source.position(node.span.start)
    return f"{line}:{column}"
