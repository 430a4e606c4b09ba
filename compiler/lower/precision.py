"""A traced graph computed in other numbers than float32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn
from torch.fx.node import map_aggregate, map_arg

if TYPE_CHECKING:
    from collections.abc import Callable

# What makes float32 where nobody says what to make.
MAKING = (torch.zeros, torch.ones, torch.empty, torch.rand, torch.randn, torch.linspace, torch.eye)


def wide(module: fx.GraphModule) -> fx.GraphModule:
    """The same in float64, wherever it computes in float32. It takes its inputs and weights as they are."""

    def widen(graph: fx.Graph, node: fx.Node, copy: fx.Node) -> fx.Node:
        args: Any = map_aggregate(copy.args, wide_kind)
        kwargs: Any = map_aggregate(copy.kwargs, wide_kind)
        copy.args, copy.kwargs = args, kwargs
        if node.op == "placeholder":
            return after(graph, widened, copy)
        if node.op == "call_method" and node.target == "float":
            copy.target = "double"
        if node.op == "call_function" and node.target in MAKING and "dtype" not in copy.kwargs:
            copy.kwargs = {**copy.kwargs, "dtype": torch.float64}
        return copy

    return rewritten(module, widen, widened)


def mixed(module: fx.GraphModule) -> fx.GraphModule:
    """The same for `torch.autocast`, with all that stands in training alone, losses and penalties,
    taking float32."""

    def settle(graph: fx.Graph, node: fx.Node, copy: fx.Node) -> fx.Node:
        if node.meta.get("training_only"):
            with graph.inserting_before(copy):
                copy.args = map_arg(copy.args, lambda made: after(graph, settled, made))
        return copy

    return rewritten(module, settle, lambda tensor: tensor)


def rewritten(module: fx.GraphModule, change: Callable[[fx.Graph, fx.Node, fx.Node], fx.Node],
              constant: Callable[[torch.Tensor], torch.Tensor]) -> fx.GraphModule:  # fmt: skip
    """The module with every node, and every constant, changed. `change` is given the new graph, a node and
    its copy, and gives what stands for the node."""
    graph, root = fx.Graph(), nn.Module()
    for name, tensor in module.named_buffers():
        root.register_buffer(name, constant(tensor), persistent=False)
    made: dict[fx.Node, fx.Node] = {}
    for node in module.graph.nodes:
        made[node] = change(graph, node, graph.node_copy(node, made.__getitem__))
    return fx.GraphModule(root, graph, "Compiled")


def after(graph: fx.Graph, function: Callable[[Any], Any], node: fx.Node) -> fx.Node:
    called = graph.call_function(function, (node,))
    called.meta.update(node.meta)
    return called


def widened(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.dtype is torch.float32:
        return value.double()
    return value


def settled(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.dtype is torch.bfloat16 else value


def wide_kind(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value
