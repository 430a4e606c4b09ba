"""Lowered graphs of torch and ONNX as text, without the numbers of weights. It imports neither of them and
only reads their objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.format.printer import INDENT, MAX_NUMBERS, spell_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WIDTH = 110
SYMBOLS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/",
    "floordiv": "//", "mod": "%", "pow": "**", "matmul": "@",
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and_": "&", "or_": "|",
}  # fmt: skip

# --- torch ------------------------------------------------------------------------------------------------


def print_torch(module: Any, name: str) -> str:
    """The code of an fx module, each line with its node of the graph and its source location."""
    return "\n".join(fx_lines(module, name)) + "\n"


def fx_lines(module: Any, name: str) -> Iterator[str]:
    """The lines of a module as a function. The body of a loop is a function within it, before its call."""
    inputs = [n.name for n in module.graph.nodes if n.op == "placeholder"]
    head = f"def {name}({', '.join(inputs)}):"
    yield from [head] if len(head) <= WIDTH else [f"def {name}(", *(f"{INDENT}{n}," for n in inputs), "):"]
    for node in module.graph.nodes:
        if node.op == "placeholder":
            continue
        repeated = getattr(module, node.target) if node.op == "call_module" else None
        if repeated is not None:
            yield from (f"{INDENT}{line}" for line in fx_lines(repeated.body, f"{node.name}_body"))
        meta = node.meta
        where = f"  # {meta['name']}, {meta['place']}" if "place" in meta else ""
        yield f"{INDENT}{print_fx(node, repeated)}{where}"


def print_fx(node: Any, repeated: Any = None) -> str:
    """The statement of a node. `repeated` is the loop that it calls."""
    if node.op == "output":
        answers = ", ".join(f"{spell_text(key)}: {value}" for key, value in node.args[0].items())
        return f"return {{{answers}}}"
    if node.op == "get_attr":
        return f"{node.name} = self.{node.target}"
    given = [print_argument(a) for a in node.args]
    if repeated is not None:
        given = [f"{node.name}_body", *given, f"most={repeated.most}", f"states={repeated.states}"]
        return f"{node.name} = loop({', '.join(given)})"
    if node.op == "call_function" and has_symbol(node.target) and len(given) == 2:
        return f"{node.name} = {given[0]} {SYMBOLS[node.target.__name__]} {given[1]}"
    named = {k: v for k, v in node.kwargs.items() if v is not None and not k.startswith("_")}
    given += [f"{k}={print_argument(v)}" for k, v in named.items()]
    if node.op == "call_method":
        return f"{node.name} = {given[0]}.{node.target}({', '.join(given[1:])})"
    return f"{node.name} = {function_name(node.target)}({', '.join(given)})"


def has_symbol(function: Any) -> bool:
    return getattr(function, "__module__", "") == "_operator" and function.__name__ in SYMBOLS


def print_argument(value: Any) -> str:
    """An argument as a Python expression."""
    if isinstance(value, (list, tuple)):
        inside = ", ".join(map(print_argument, value))
        if isinstance(value, list):
            return f"[{inside}]"
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    if isinstance(value, slice):
        return f"slice({', '.join(print_argument(v) for v in (value.start, value.stop, value.step))})"
    return str(value) if type(value).__name__ == "Node" else repr(value)


def function_name(function: Callable[..., Any]) -> str:
    """The name of a function with the short name of its module: `torch.cat`, `F.relu`, `getitem`."""
    module = getattr(function, "__module__", None) or "torch"
    functional = dict.fromkeys(("torch.nn.functional", "torch._C._nn"), "F.")
    short = {"_operator": "", "builtins": "", **functional}.get(module, "torch.")
    return short + getattr(function, "__name__", str(function))


# --- ONNX -------------------------------------------------------------------------------------------------


def print_onnx(model: Any) -> str:
    """A model of `lower.onnx`: inputs, initializers, nodes and outputs. Constants are printed with their
    numbers, weights without."""
    graph = model.graph
    versions = ", ".join(
        f"{domain or 'ai.onnx'} {version}" for domain, version in graph.opset_imports.items()
    )
    lines = [f"onnx {graph.name}, IR {model.ir_version}, {versions} {{"]
    lines += [f"{INDENT}input {print_onnx_value(v)}" for v in graph.inputs]
    lines += [f"{INDENT}{print_initializer(v)}" for v in graph.initializers.values()]
    lines += [f"{INDENT}{line}" for n in graph for line in onnx_node_lines(n)]
    lines += [f"{INDENT}output {print_onnx_value(v)}" for v in graph.outputs]
    return "\n".join([*lines, "}"]) + "\n"


def print_onnx_value(value: Any) -> str:
    return f"%{value.name} : {onnx_type(value)}"


def onnx_type(value: Any) -> str:
    shape = ", ".join(str(d.value) if hasattr(d, "value") else str(d) for d in value.shape)
    return f"{value.dtype.name.lower()}[{shape}]"


def print_initializer(value: Any) -> str:
    if value.meta.get("weight"):
        return f"weight {print_onnx_value(value)}"
    kind = "default" if value.is_graph_input() else "constant"
    numbers = value.const_value.numpy()
    shown = f" = {spell_constant(numbers.tolist())}" if numbers.size <= MAX_NUMBERS else ""
    return f"{kind} {print_onnx_value(value)}{shown}"


def spell_constant(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(spell_constant, value))}]"
    if isinstance(value, bytes):
        return spell_text(value.decode("utf-8", "replace"))
    return (
        spell_text(value)
        if isinstance(value, str)
        else f"{value:.9g}"
        if isinstance(value, float)
        else str(value).lower()
    )


def onnx_node_lines(node: Any) -> Iterator[str]:
    """The line of a node, then those of the graphs within it: `body {`, its lines, `}`."""
    yield print_onnx_node(node)
    for attribute in node.attributes.values():
        if is_graph(attribute):
            body = attribute.value
            yield f"{INDENT}{attribute.name} {{"
            yield from (f"{INDENT * 2}input {print_onnx_value(v)}" for v in body.inputs)
            yield from (f"{INDENT * 2}{line}" for inner in body for line in onnx_node_lines(inner))
            yield from (f"{INDENT * 2}output {print_onnx_value(v)}" for v in body.outputs)
            yield f"{INDENT}}}"


def is_graph(attribute: Any) -> bool:
    return attribute.type.name == "GRAPH"


def print_onnx_node(node: Any) -> str:
    results = ", ".join(f"%{v.name}" for v in node.outputs)
    plain = (a for a in node.attributes.values() if not is_graph(a))
    attributes = ", ".join(f"{a.name}={print_attribute(a)}" for a in plain)
    kind = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    call = f"{kind}({attributes})" if attributes else kind
    reads = [f"%{v.name}" if v is not None else "-" for v in node.inputs]
    where = f"  # {node.metadata_props['place']}" if "place" in node.metadata_props else ""
    return f"{results} = {' '.join([call, *reads])}{where}"


def print_attribute(attribute: Any) -> str:
    value = attribute.value
    if isinstance(value, (list, tuple)):
        listed = [spell_constant(v) for v in value]
        return f"[{', '.join(listed)}]" if len(listed) <= MAX_NUMBERS else f"{len(listed)} entries"
    return spell_constant(value) if isinstance(value, (str, int, float, bytes)) else str(value)
