"""Traced graphs in float64 and in mixed precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn
from torch.fx.node import map_aggregate, map_arg

if TYPE_CHECKING:
    from collections.abc import Callable

attention: Any = nn.functional.scaled_dot_product_attention
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
    float32, and attention on a CPU is computed in float32."""

    def change(graph: fx.Graph, node: fx.Node, copy: fx.Node) -> fx.Node:
        if node.meta.get("training_only"):
            with graph.inserting_before(copy):
                copy.args = map_arg(copy.args, lambda operand: after(graph, as_float32, operand))
        if node.target is attention:
            copy.target = mixed_attention
        return copy

    return rewritten(module, change, lambda tensor: tensor)


def mixed_attention(query: torch.Tensor, *others: Any, **settings: Any) -> torch.Tensor:
    """Attention under `torch.autocast`: on a CPU in float32, where its derivative in bfloat16 is slow."""
    if query.device.type != "cpu":
        return attention(query, *others, **settings)
    with torch.autocast("cpu", enabled=False):
        settings = {name: as_float32(value) for name, value in settings.items()}
        return attention(query.float(), *(x.float() for x in others), **settings)


def rewritten(module: fx.GraphModule, change: Callable[[fx.Graph, fx.Node, fx.Node], fx.Node],
              constant: Callable[[torch.Tensor], torch.Tensor]) -> fx.GraphModule:  # fmt: skip
    """The module with all nodes and constants rewritten. `change` takes the new graph, a node and its copy,
    and returns the replacement of the node."""
    graph, root = fx.Graph(), nn.Module()
    for name, tensor in module.named_buffers():
        root.register_buffer(name, constant(tensor), persistent=False)
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
