"""Lowering of a graph to a torch module: one pass traces the PyTorch form of each operator by torch.fx."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.fx.proxy
from torch import fx, nn

from dlc.compiler.dims.dim import BATCH, Dim, evaluate, names
from dlc.compiler.lower.dim_bindings import dim_sources
from dlc.compiler.lower.precision import wide
from dlc.compiler.lower.random_draws import Draws
from dlc.compiler.lower.traced_functions import Fourier, attention_twice, recurrent_by_length, without_cudnn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Graph, Node, Value, Weight


RECURRENT = frozenset({"gru", "lstm", "rnn_relu", "rnn_tanh"})
ATTENTION = "scaled_dot_product_attention"
# cuDNN copies the weights of a recurrent layer into one buffer in every call, and PyTorch warns about it.
warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous chunk of memory")


class Tracer(torch.fx.proxy.GraphAppendingTracer):
    """Creates fx nodes, each with its source location in the spec."""

    def __init__(self, graph: fx.Graph, root: nn.Module):
        super().__init__(graph)
        self.root_module = root
        self.meta: dict[str, Any] = {}
        self.buffers: dict[int, str] = {}  # the buffers of constant tensors, by identity

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        node.meta.update(self.meta)
        return node

    def step(self) -> fx.Proxy:
        """The step of training, counted from 0, as a buffer. It is infinite unless training sets it."""
        self.root_module.register_buffer("step", torch.tensor(torch.inf), persistent=False)
        return fx.Proxy(self.create_node("get_attr", "step", (), {}), self)

    def call_module(self, name: str, module: nn.Module, given: tuple[Any, ...]) -> fx.Proxy:
        """A call of a module, which becomes part of this one."""
        name = f"{name}_{sum(1 for _ in self.root_module.children())}"
        self.root_module.add_module(name, module)
        return self.create_proxy("call_module", name, given, {})

    def create_arg(self, a: Any) -> Any:
        """Registers constant tensors as buffers of the module, so that they move between devices with it."""
        if isinstance(a, torch.Tensor):
            name = self.buffers.setdefault(id(a), f"constant_{len(self.buffers)}")
            self.root_module.register_buffer(name, a, persistent=False)
            return self.create_node("get_attr", name, (), {})
        return super().create_arg(a)


class Texts:
    """A batch of text, and the device of the tensors that are made of it."""

    def __init__(self, array: np.ndarray, device: torch.device | None):
        self.array, self.device, self.shape = array, device or "cpu", array.shape


class TorchFunctions(Draws):
    """The argument `F` of PyTorch forms: functions by name, sizes and draws. `twice`: derivatives are
    differentiated again."""

    fft = Fourier

    def __init__(self, inputs: Mapping[Value, Any], tracer: Tracer | None = None, *, twice: bool = False):
        self._inputs, self._tracer, self._twice = dict(inputs), tracer, twice
        self._dim_sources = dim_sources(inputs)
        self._sizes: dict[str, Any] = {}
        self._batch: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._twice and name in RECURRENT:
            return partial(self._traced, without_cudnn, name)
        if self._twice and name == ATTENTION:
            return partial(self._traced, attention_twice)
        return getattr(nn.functional, name, None) or getattr(torch, name)

    def _traced(self, function: Any, *given: Any, **settings: Any) -> Any:
        assert self._tracer is not None, "derivatives are differentiated in traced graphs only"
        return self._tracer.create_proxy("call_function", function, given, settings)

    @property
    def batch(self) -> Any:
        """The batch size; 1 in a graph that reads no rows."""
        if self._batch is None:
            reads_rows = any(value.type.batched for value in self._inputs)
            self._batch = self._of_batch.shape[0] if reads_rows else 1
        return self._batch

    @property
    def _of_batch(self) -> Any:
        """A tensor with the batch as its first axis."""
        batched = [v for v in self._inputs if v.type.batched]
        return self._inputs[next((v for v in batched if v.type.element != "string"), batched[0])]

    @property
    def step(self) -> Any:
        """The step of training, counted from 0."""
        assert self._tracer is not None, "there are steps in traced graphs only"
        return self._tracer.step()

    def unit_matrix(self, size: Any) -> Any:
        """The unit matrix of a size that is known at run time."""
        return self._of_batch.new_ones((size,), dtype=self.float32).diag()

    def size_number(self, size: Any) -> Any:
        """A size that is known at run time as a tensor of one number."""
        return self._of_batch.new_full((), size, dtype=self.float32)

    def full_rows(self, number: Any) -> Any:
        """A whole number that is known at run time, once for each row."""
        return self._of_batch.new_full((self.batch,), number, dtype=self.int64)

    @staticmethod
    def derivative(of: Any, wrt: Any) -> Any:
        """A call of `derivative`, deferred while tracing."""
        if not isinstance(of, fx.Proxy):
            return derivative(of, wrt)
        return of.tracer.create_proxy("call_function", derivative, (of, wrt), {})

    def loop(self, body: Any, most: int, states: Sequence[Any]) -> Any:
        """The last states and the stacked values of a loop, which runs a body with these initial states."""
        assert self._tracer is not None, "there are loops in traced graphs only"
        return self._tracer.call_module(
            "loop", Repeated(body.module, most, len(states)), (*states, *body.captured)
        )

    def recurrent_by_length(self, *given: Any) -> Any:
        """All steps of recurrent layers, and their states after the last step of each row."""
        return self._traced(recurrent_by_length, *given)

    def of_text(self, function: Any, texts: Any, results: int) -> Any:
        """The results of a function of an array of text, which is not a tensor."""

        def read(texts: Texts) -> Any:
            found = function(np, texts.array)
            arrays = found if isinstance(found, tuple) else (found,)
            return tuple(torch.from_numpy(array).to(texts.device) for array in arrays)

        made = self._traced(read, texts)
        return tuple(made[place] for place in range(results))

    def provide(self, made: Mapping[Value, Any]) -> None:
        """The free dimensions of these values are read from them."""
        self._inputs |= made
        for name, source in dim_sources(made).items():
            self._dim_sources.setdefault(name, source)

    @staticmethod
    def named(name: str, x: Any) -> Any:
        """The value; its name is for text."""
        return x

    @staticmethod
    def expand(x: Any, *sizes: Any) -> Any:
        """`x.expand(*sizes)`. While tracing, a constant is a tensor that takes no size of a later run."""
        later = next((size for size in sizes if isinstance(size, fx.Proxy)), None)
        if later is not None and isinstance(x, torch.Tensor):
            constant = later.tracer.create_arg(x)
            assert isinstance(constant, fx.Node)
            x = fx.Proxy(constant, later.tracer)
        return x.expand(*sizes)

    def size(self, size: Size) -> Any:
        """A dimension as a number, or as a value that is known at run time."""
        if not isinstance(size, Dim):
            return size
        return evaluate(size, {name: self._free(name) for name in names(size)})

    def _free(self, name: str) -> Any:
        if name == BATCH:
            return self.batch
        if name not in self._sizes:
            value, axis, scale, offset = self._dim_sources[name]
            size = self._inputs[value].shape[axis]
            size = operator.sub(size, offset) if offset else size
            self._sizes[name] = size // scale if scale != 1 else size
        return self._sizes[name]


class Model(nn.Module):
    """A compiled spec as a module. It takes a dict of tensors, batch first, and returns a dict of tensors by
    output name.

    Weights are registered under their dotted names, in the order in which the spec creates them. Those of
    average nets need no gradient.
    """

    def __init__(self, graph: Graph, weights: Iterable[Weight], values: Mapping[str, np.ndarray]):
        super().__init__()
        self._names: list[str] = []
        for weight in weights:
            self._names.append(weight.name)
            tensor = torch.from_numpy(values[weight.name].copy())
            if weight.is_buffer:
                self._buffers[weight.name] = tensor
            else:
                self._parameters[weight.name] = nn.Parameter(tensor, requires_grad=weight.trainable)
        self.attach(graph)

    def attach(self, graph: Graph) -> None:
        """Use this graph, another form of the same program, with the same weights."""
        self._inputs = [v.field for v in graph.inputs]
        self._defaults = {v.field: torch.tensor(v.default) for v in graph.inputs if v.default is not None}
        self._reads = [w.name for w in graph.weights]
        self._text = {
            v.name: n.operator for n in graph.nodes for v in n.operands if v.type.element == "string"
        }
        self._run = trace(graph)
        self._exact: fx.GraphModule | None = None

    def weight_tensors(self) -> list[torch.Tensor]:
        """The weights that the graph reads, in its order."""
        tensors: dict[str, Any] = {**self._buffers, **self._parameters}
        return [tensors[name] for name in self._reads]

    def _save_to_state_dict(self, destination, prefix, keep_vars) -> None:
        """Saves weights and buffers in the order in which the spec creates them, not buffers last."""
        state = {}
        super()._save_to_state_dict(state, prefix, keep_vars)
        destination.update({prefix + name: state.pop(prefix + name) for name in self._names} | state)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing, unexpected, errors
    ) -> None:
        """Accepts names with dots as weights of this module, not of submodules."""
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)
        own = {prefix + name for name in (*self._parameters, *self._buffers)}
        unexpected[:] = [name for name in unexpected if name not in own]

    def forward(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return self._run.forward(*self._arguments(inputs))

    def exactly(self, inputs: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        """Same as `forward`, computed in float64."""
        if self._exact is None:
            self._exact = wide(self._run)
        return self._exact.forward(*self._arguments(inputs))

    def _arguments(self, inputs: Mapping[str, Any]) -> list[torch.Tensor | Texts]:
        if not isinstance(inputs, Mapping):
            raise TypeError(f"the model takes a dict of tensors: {', '.join(self._inputs)}")
        inputs = {**self._defaults, **inputs}
        missing = [n for n in self._inputs if n not in inputs]
        if missing:
            raise KeyError(f"the model needs the inputs {', '.join(missing)}")
        return [*(self._tensor(n, inputs[n]) for n in self._inputs), *self.weight_tensors()]

    def _tensor(self, name: str, given: Any) -> torch.Tensor | Texts:
        """A tensor as it is; a list or an array of text as class indices, or for an operator of text."""
        if isinstance(given, torch.Tensor) or name not in self._text:
            return given
        device = next((w.device for w in self.weight_tensors()), None)
        operator, array = self._text[name], np.asarray(given, object)
        if operator.reads_text:
            return Texts(array, device)
        return torch.as_tensor(operator.from_text(np, array), device=device)


def trace(graph: Graph) -> fx.GraphModule:
    """The graph as a module that takes its inputs, what it reads of a graph around it, and its weights, in
    this order, and returns a dict."""
    fx_graph, root = fx.Graph(), nn.Module()
    tracer = Tracer(fx_graph, root)
    values: dict[Value, Any] = {}
    read = (*graph.inputs, *graph.captured)
    for number, value in enumerate((*read, *(w.value for w in graph.weights))):
        node = fx_graph.placeholder(f"{identifier(value.name)}_{number}")
        node.meta.update(name=value.name, place=value.site.place)
        values[value] = fx.Proxy(node, tracer)
    tracked = {n.operands[n.operator.wrt] for n in graph.nodes if n.operator.wrt is not None}
    track(values, tracked.intersection(values), tracer)
    functions = TorchFunctions({v: values[v] for v in read}, tracer, twice=bool(tracked))
    for node in graph.nodes:
        tracer.meta = {"name": node.name, "place": node.site.place}
        if node.operator.training_only and node.operator.wrt is None:
            tracer.meta["training_only"] = True
        made = dict(zip(node.results, run_node(node, functions, values), strict=True))
        values.update(made)
        if node.operator.reads_text:
            functions.provide(made)
        track(values, tracked.intersection(node.results), tracer)
    tracer.meta = {}
    fx_graph.output({name: argument(values[v], tracer) for name, v in graph.outputs.items()})
    fx_graph.eliminate_dead_code(is_impure_node=is_impure)
    return fx.GraphModule(root, fx_graph, "Compiled")


class Inner:
    """A graph within a node: its module, and what it reads of the graph around it."""

    def __init__(self, graph: Graph, values: Mapping[Value, Any]):
        self.module, self.captured = trace(graph), tuple(values[value] for value in graph.captured)


class Repeated(nn.Module):
    """Runs the body of a loop. It takes the initial states and what the body reads besides."""

    def __init__(self, body: fx.GraphModule, most: int, states: int):
        super().__init__()
        self.body, self.most, self.states = body, most, states

    def forward(self, *given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        states, captured = given[: self.states], given[self.states :]
        rows: list[list[torch.Tensor]] = []
        for number in range(self.most):
            continues, *made = self.body(torch.tensor(number), *states, *captured).values()
            states = made[: self.states]
            rows.append(made[self.states :])
            if not continues:
                break
        return (*states, *(torch.stack(values, 1) for values in zip(*rows, strict=True)))

    def with_body(self, body: fx.GraphModule) -> Repeated:
        return Repeated(body, self.most, self.states)


def track(values: dict[Value, Any], tracked: Iterable[Value], tracer: Tracer) -> None:
    """Make these values require gradients, so that derivatives with respect to them exist."""
    for value in tracked:
        values[value] = tracer.create_proxy("call_function", variable, (values[value],), {})


def variable(x: torch.Tensor) -> torch.Tensor:
    return x if x.requires_grad else x.detach().requires_grad_()


def derivative(of: torch.Tensor, wrt: torch.Tensor) -> torch.Tensor:
    """The gradient of the sum of a tensor; zeros where it does not depend on `wrt`."""
    if not of.requires_grad:
        return torch.zeros_like(wrt)
    return torch.autograd.grad(of.sum(), wrt, create_graph=True, materialize_grads=True)[0]


def is_impure(node: fx.Node) -> bool:
    return node.op in ("placeholder", "output")


def run_node(node: Node, functions: TorchFunctions, values: Mapping[Value, Any]) -> tuple[Any, ...]:
    operands, given = node.operator.split([values[v] for v in node.operands])
    weights = {leaf: values[v] for leaf, v in node.weights.items()}
    graphs = {role: Inner(graph, values) for role, graph in node.graphs.items()}
    results = node.operator.torch(functions, *operands, **weights, **given, **graphs)
    if len(node.results) == 1:
        return (results[0] if isinstance(results, (tuple, list)) else results,)
    return tuple(results[i] for i in range(len(node.results)))


def argument(value: Any, tracer: Tracer) -> Any:
    """The argument of the output node for a proxy or a constant."""
    return tracer.create_arg(value if isinstance(value, fx.Proxy) else torch.as_tensor(value))


def identifier(name: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in name)
