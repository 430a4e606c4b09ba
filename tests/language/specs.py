"""Helpers that compile short specs and report their bindings, weights, operators, types and codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from legal import legal

from dlc.compiler import CompileError, Source, compile

if TYPE_CHECKING:
    from dlc.compiler.program import CompiledProgram

VECTOR = "input x: float[4]\noutput y: float[4]\n"


def spec(text: str, **more: Any) -> CompiledProgram:
    return legal(compile(Source("model.dl", text), **more))


def bound(text: str, before: str = "") -> Any:
    """The value of `a` after the statements, in a spec with `x: float[4]`."""
    return spec(f"{before}\n{VECTOR}{text}\nx -> y").bindings["a"]


def shapes(text: str, **more: Any) -> dict[str, tuple]:
    """The shapes of the weights of a spec, in order of creation."""
    return {w.name: w.value.type.shape for w in spec(text, **more).graph.weights}


def names(text: str) -> list[str]:
    """The owners of weights in order: `conv`, `basic.conv_2`. Declared weights have their own name."""
    return list(dict.fromkeys(name.removesuffix(".weight").removesuffix(".bias") for name in shapes(text)))


def files(**texts: str) -> Any:
    """A reader of imported files, for `read=`."""

    def read(importing: Source, path: str) -> Source:
        return Source(path, texts[path.removesuffix(".dl")])

    return read


def types(text: str) -> dict[str, str]:
    """The type of the tensor that flows into each output."""
    return {o.name: str(o.flowed.type) for o in spec(text).outputs}


def operators(text: str) -> list[str]:
    """The operators of the graph in order, without losses and operators that the compiler inserts."""
    inserted = ("unsqueeze", "expand_batch", "cast", "batch_mean")
    nodes = [n.operator for n in spec(text).graph.nodes]
    return [o.name for o in nodes if o.family != "loss" and o.name not in inserted]


def codes(text: str, **more: Any) -> list[str]:
    """The codes of the errors and warnings in a spec, in order of location."""
    try:
        return [d.code for d in spec(text, **more).warnings]
    except CompileError as error:
        return [d.code for d in error.diagnostics]
