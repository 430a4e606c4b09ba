"""Traced graphs in float64 and in mixed precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn
from torch.fx.node import map_aggregate, map_arg
from torch.utils._pytree import tree_map

if TYPE_CHECKING:
    from collections.abc import Callable

# Functions that create float32 tensors by default.
FACTORIES = (torch.zeros, torch.ones, torch.empty, torch.rand, torch.randn, torch.linspace, torch.eye)


def wide(module: fx.GraphModule) -> fx.GraphModule:
    """The module with float64 in place of float32. Its inputs and weights keep their dtypes."""

    def widen(graph: fx.Graph, node: fx.Node, copy: fx.Node) -> fx.Node:
        args: Any = map_aggregate(copy.args, wide_dtype)
        kwargs: Any = map_aggregate(copy.kwargs, wide_dtype)
        copy.args, copy.kwargs = args, kwargs
        if node.op == "placeholder":
            return after(graph, widened, copy)
        if node.op == "call_method" and node.target == "float":
            copy.target = "double"
        if node.op == "call_function" and node.target in FACTORIES and "dtype" not in copy.kwargs:
            copy.kwargs = {**copy.kwargs, "dtype": torch.float64}
        return copy

    return rewritten(module, widen, widened)


def mixed(module: fx.GraphModule) -> fx.GraphModule:
    """The module for `torch.autocast`. The operands of training-only nodes (losses and penalties) are cast to
    float32, and so are attention and LSTMs on CPUs that would be slower, or fail, in bfloat16."""

    def change(graph: fx.Graph, node: fx.Node, copy: fx.Node) -> fx.Node:
        if node.meta.get("training_only"):
            with graph.inserting_before(copy):
                copy.args = map_arg(copy.args, lambda operand: after(graph, as_float32, operand))
        copy.target = WIDE_ON_CPU.get(node.target, node.target)
        return copy

    return rewritten(module, change, lambda tensor: tensor)


def mixed_attention(*given: Any, **settings: Any) -> torch.Tensor:
    """On a CPU in float32: the derivative in bfloat16 is slow."""
    function = nn.functional.scaled_dot_product_attention
    if given[0].device.type != "cpu":
        return function(*given, **settings)
    return in_float32(function, *given, **settings)


def mixed_lstm(*given: Any) -> Any:
    """On a CPU without units for bfloat16 in float32: PyTorch has no other LSTM for it."""
    if given[0].device.type != "cpu" or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return torch.lstm(*given)
    return in_float32(torch.lstm, *given)


def in_float32(function: Callable[..., Any], *given: Any, **settings: Any) -> Any:
    """A function on a CPU, without autocast."""
    with torch.autocast("cpu", enabled=False):
        return function(*tree_map(as_float32, given), **tree_map(as_float32, settings))


WIDE_ON_CPU: dict[Any, Callable[..., Any]] = {
    nn.functional.scaled_dot_product_attention: mixed_attention,
    torch.lstm: mixed_lstm,
}


def rewritten(module: fx.GraphModule, change: Callable[[fx.Graph, fx.Node, fx.Node], fx.Node],
              constant: Callable[[torch.Tensor], torch.Tensor]) -> fx.GraphModule:  # fmt: skip
    """The module with all nodes and constants rewritten. `change` takes the new graph, a node and its copy,
    and returns the replacement of the node."""
    graph, root = fx.Graph(), nn.Module()
    for name, tensor in module.named_buffers(recurse=False):
        root.register_buffer(name, constant(tensor), persistent=False)
    loops: Any = module.named_children()
    for name, loop in loops:
        root.add_module(name, loop.with_body(rewritten(loop.body, change, constant)))
    replaced: dict[fx.Node, fx.Node] = {}
    for node in module.graph.nodes:
        replaced[node] = change(graph, node, graph.node_copy(node, replaced.__getitem__))
    return fx.GraphModule(root, graph, "Compiled")


def after(graph: fx.Graph, function: Callable[[Any], Any], node: fx.Node) -> fx.Node:
    called = graph.call_function(function, (node,))
    called.meta.update(node.meta)
    return called


def widened(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.dtype is torch.float32:
        return value.double()
    return value


def as_float32(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.dtype is torch.bfloat16 else value


def wide_dtype(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value
