"""Lowering of a graph to an ONNX model: one pass that writes the ONNX form of each operator with onnx-ir."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from dlc.compiler.definitions.unimplemented import NOT_BUILT
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims.dim import Dim, evaluate, names
from dlc.compiler.ir.names import UniqueNames, stored_name
from dlc.compiler.lower.dim_bindings import dim_sources
from dlc.compiler.lower.fixed_nodes import take_fixed
from dlc.compiler.lower.initial_weights import dtype
from dlc.compiler.lower.onnx_operators import ML
from dlc.compiler.operators.operands import DTYPES
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dlc.compiler.diagnostics.source import Site
    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Graph, Node, Value
    from dlc.compiler.lower.dim_bindings import DimSource

TYPES = {element: ir.DataType(number) for element, (_, number) in DTYPES.items()}
TYPES["string"] = ir.DataType.STRING
BATCH = "batch"


class RuntimeSize:
    """A size that is known at run time: an int64 scalar with the arithmetic of dimensions."""

    def __init__(self, op: Operators, value: ir.Value):
        self.op, self.value = op, value

    def made(self, value: ir.Value) -> RuntimeSize:
        return type(self)(self.op, value)

    def __add__(self, other: Any) -> RuntimeSize:
        return self.made(self.op.Add(self.value, self.op.scalar(other)))

    def __mul__(self, other: Any) -> RuntimeSize:
        return self.made(self.op.Mul(self.value, self.op.scalar(other)))

    def __sub__(self, other: Any) -> RuntimeSize:
        return self.made(self.op.Sub(self.value, self.op.scalar(other)))

    def __floordiv__(self, other: Any) -> RuntimeSize:
        return self.made(self.op.Div(self.value, self.op.scalar(other)))

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> RuntimeSize:
        return self.made(self.op.Sub(self.op.scalar(other), self.value))


class RuntimeLength(RuntimeSize):
    """The lengths of rows, an int64 vector. `Div` alone would round up where a formula is negative."""

    def __floordiv__(self, other: Any) -> RuntimeSize:
        divisor = self.op.scalar(other)
        whole = self.op.Sub(self.value, self.op.Mod(self.value, divisor))
        return self.made(self.op.Div(whole, divisor))


class Operators:
    """The argument `op` of ONNX forms: `op.Relu(x)` adds a node of the opset."""

    def __init__(self, builder: OnnxBuilder, domain: str = ""):
        self._builder, self._domain = builder, domain
        self.opset, self.in_openvino = builder.opset, builder.in_openvino

    def __getattr__(self, op_type: str) -> Any:
        def add_node(*operands: Any, outputs: int = 1, **attributes: Any) -> Any:
            return self._builder.node(self._domain, op_type, operands, attributes, outputs)

        return add_node

    @property
    def ml(self) -> Operators:
        """The operators of ai.onnx.ml."""
        return Operators(self._builder, ML)

    def constant(self, value: Any, dtype: str) -> ir.Value:
        return self._builder.constant(
            np.asarray(value, np.dtype(object) if dtype == "string" else np.dtype(dtype))
        )

    def stored(self, name: str, function: Callable[..., np.ndarray], *weights: ir.Value) -> ir.Value:
        """Weights in another form, which the file stores in place of them: an initializer with the result of
        `function` of their arrays, in the dtype of the result, under the name that `stored_name` returns."""
        return self._builder.stored(name, function, weights)

    def scalar(self, value: Any) -> ir.Value:
        return value.value if isinstance(value, RuntimeSize) else self.constant(value, "int64")

    def size(self, size: Size) -> ir.Value:
        """A dimension as an int64 scalar."""
        return self.scalar(self._builder.evaluate(size, self))

    def length(self, value: ir.Value) -> RuntimeLength:
        """The lengths of rows, with the arithmetic of dimensions."""
        return RuntimeLength(self, value)

    def shared(self, name: str, key: Any, add_nodes: Callable[[], Any]) -> Any:
        """What several nodes of the graph need, such as a table of angles: added by the first of them, under
        this name, and read by the others. `key` is all that it depends on."""
        return self._builder.shared(name, key, add_nodes)

    def subgraph(self, graph: Graph, values: Mapping[Value, ir.Value]) -> ir.Graph:
        """A graph within a node, as the body of a `Loop`: it takes the number of the iteration, a condition
        that is true, and its other inputs, and reads the values around it. What depends on none of
        its inputs is computed in front of the node."""
        builder, inner, around = self._builder, dict(values), self._builder.nodes
        with builder.scope() as nodes:
            own: dict[Value, ir.Value] = {
                v: typed(ir.Value(name=builder.names.claim(v.name)), v.type) for v in graph.inputs
            }
            builder.inputs = own | builder.inputs
            inner.update(own)
            for node in graph.nodes:
                builder.name, builder.site = node.name, node.site
                inner.update(zip(node.results, run_node(node, self, inner), strict=True))
            around += take_fixed(nodes, [inner[value] for value in graph.inputs])
            outputs = []
            for value in graph.outputs.values():
                lowered = inner[value]
                if lowered.producer() not in nodes or lowered in outputs:
                    lowered = self.Identity(lowered)
                outputs.append(typed(lowered, value.type))
        condition = typed(ir.Value(name=builder.names.claim("condition")), Tensor("bool", (), batched=False))
        first, *others = (inner[value] for value in graph.inputs)
        return ir.Graph([first, condition, *others], outputs, nodes=nodes, name=builder.names.claim("body"))

    def batch(self) -> ir.Value:
        """The batch size as an int64 scalar."""
        return self._builder.batch(self)

    def shape(self, type: Tensor) -> ir.Value:
        """The whole shape of a type, batch included, as an int64 vector."""
        if all(isinstance(s, int) for s in type.shape) and not type.batched:
            return self.constant(list(type.shape), "int64")
        sizes = [self.batch()] if type.batched else []
        parts = [
            self.Unsqueeze(s, self.constant([0], "int64"))
            for s in (*sizes, *(self.size(s) for s in type.shape))
        ]
        return self.Concat(*parts, axis=0) if len(parts) > 1 else parts[0]


class OnnxBuilder:
    """Collects nodes, constants and initializers under unique names."""

    def __init__(self, opset: int, taken: Iterable[str] = (), *, in_openvino: bool = False):
        self.opset, self.in_openvino = opset, in_openvino
        self.nodes: list[ir.Node] = []
        self.initializers: dict[str, ir.Value] = {}
        self.names = UniqueNames(taken)
        self.inputs: dict[Value, ir.Value] = {}
        self.name = ""
        self.site: Site | None = None
        self.answers: list[ir.Value] = []
        self.uses_ml = False
        self._constants: dict[tuple, ir.Value] = {}
        self._stored: dict[str, list[ir.Value]] = {}
        self._shared: dict[tuple[str, Any], Any] = {}

    @cached_property
    def dim_sources(self) -> dict[str, DimSource]:
        """The sources of free dimensions: inputs, and the tokens that are read from texts."""
        return dim_sources(self.inputs)

    @contextmanager
    def scope(self) -> Iterator[list[ir.Node]]:
        """Collects the nodes of a graph within a node. What its nodes share, they do not share with others.
        The rows of its inputs are its own."""
        outer = dict(vars(self))
        self.nodes, self.inputs, self._shared = [], dict(self.inputs), dict(self._shared)
        self._shared.pop((BATCH, None), None)
        vars(self).pop("dim_sources", None)
        yield self.nodes
        kept = ("nodes", "inputs", "_shared", "dim_sources", "name", "site")
        vars(self).pop("dim_sources", None)
        vars(self).update((name, outer[name]) for name in kept if name in outer)

    def provide(self, made: Mapping[Value, ir.Value]) -> None:
        """The free dimensions of these values are read from them."""
        known = self.dim_sources
        self.inputs |= made
        for name, source in dim_sources(made).items():
            known.setdefault(name, source)

    def node(
        self, domain: str, op_type: str, operands: Sequence[Any], attributes: Mapping[str, Any], outputs: int
    ) -> Any:
        self.uses_ml |= bool(domain)
        if self.in_openvino and op_type == "Transpose" and operands[0].const_value is not None:
            return self.stored(".T", lambda array: np.transpose(array, attributes["perm"]), operands)
        if self.in_openvino and op_type == "Gemm" and attributes.get("transB") and is_square(operands[1]):
            transposed = self.stored(".T", np.transpose, operands[1:2])
            operands, attributes = [operands[0], transposed, *operands[2:]], {**attributes, "transB": 0}
        name = self.names.claim(f"{self.name}/{op_type}" if self.name else op_type)
        results = [
            ir.Value(name=self.names.claim(f"{name}:{i}" if outputs > 1 else f"{name}:0"))
            for i in range(outputs)
        ]
        inputs = list(operands)
        while inputs and inputs[-1] is None:
            inputs.pop()
        attrs = {k: v for k, v in attributes.items() if v is not None}
        node = ir.Node(
            domain, op_type, inputs, ir.convenience.convert_attributes(attrs), outputs=results, name=name
        )
        if self.site:
            node.metadata_props["place"] = self.site.place
        self.nodes.append(node)
        return results[0] if outputs == 1 else tuple(results)

    def initializer(self, name: str, array: np.ndarray, *, weight: bool = False) -> ir.Value:
        """A tensor that the file stores if a node reads it. The dtype of the array is the dtype in the file:
        for weights that of `dtype`, for other stored forms that of their function (float16, int8, ...)."""
        name = self.names.claim(name)
        tensor = (
            ir.StringTensor([str(v).encode() for v in array.ravel()], shape=ir.Shape(array.shape), name=name)
            if array.dtype == object
            else ir.Tensor(array, name=name)
        )
        value = ir.Value(
            name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor
        )
        value.meta["weight"] = weight
        self.initializers[name] = value
        return value

    def default(self, value: ir.Value, number: int) -> None:
        """Give an input a value that it has where it is left out: an initializer of its name."""
        value.const_value = ir.tensor(np.array(number, np.int64), name=value.name)
        value.meta["weight"] = False
        self.initializers[str(value.name)] = value

    def stored(self, name: str, function: Callable[..., np.ndarray], weights: Sequence[ir.Value]) -> ir.Value:
        """An initializer of another form of weights. Equal arrays are stored once."""
        array = np.asarray(function(*map(self.array, weights)), order="C")
        name = stored_name(str(weights[0].name), name)
        forms = self._stored.setdefault(name, [])
        found = next((form for form in forms if are_equal(numbers(form), array)), None)
        if found is None:
            found = self.initializer(name, array, weight=True)
            forms.append(found)
        return found

    def array(self, weight: ir.Value) -> np.ndarray:
        """The numbers of a weight or a constant."""
        if weight.const_value is not None:
            return numbers(weight)
        assert self.site is not None
        message = f"`{self.name}` stores weights in another form, which is not built yet for computed weights"
        help = "use a declared weight, numbers, or the layer's own weight"
        raise CompileError([Diagnostic.at(self.site, NOT_BUILT, message, help)])

    def constant(self, array: np.ndarray) -> ir.Value:
        """A constant. Equal constants are stored once."""
        key = (
            str(array.dtype),
            array.shape,
            tuple(array.ravel().tolist()) if array.dtype == object else array.tobytes(),
        )
        if key not in self._constants:
            self._constants[key] = self.initializer("constant", array)
        return self._constants[key]

    def shared(self, name: str, key: Any, add_nodes: Callable[[], Any]) -> Any:
        """The result of `add_nodes`, whose nodes bear this name, not that of the node that first reads it."""
        if (name, key) not in self._shared:
            outer, self.name = self.name, name
            self._shared[name, key] = add_nodes()
            self.name = outer
        return self._shared[name, key]

    def batch(self, op: Operators) -> ir.Value:
        value = next(o for v, o in self.inputs.items() if v.type.batched)
        return self.shared(BATCH, None, lambda: size_of(op, value, 0))

    def evaluate(self, size: Size, op: Operators) -> Any:
        if not isinstance(size, Dim):
            return size
        return evaluate(size, {name: self.free(name, op) for name in sorted(names(size))})

    def free(self, name: str, op: Operators) -> RuntimeSize:
        def made() -> RuntimeSize:
            value, axis, scale, offset = self.dim_sources[name]
            size = RuntimeSize(op, size_of(op, self.inputs[value], axis))
            size = size - offset if offset else size
            return size // scale if scale != 1 else size

        return self.shared(name, None, made)


def size_of(op: Operators, value: ir.Value, axis: int) -> ir.Value:
    """The size of an axis at run time."""
    return op.Gather(op.Shape(value), op.constant(axis, "int64"), axis=0)


def model(graph: Graph, weights: Mapping[str, np.ndarray], *, opset: int, ml_opset: int, ir_version: int,
          name: str, in_openvino: bool = False, description: str = "",
          metadata: Mapping[str, str] | None = None) -> ir.Model:  # fmt: skip
    """The inference form of a graph as a model that takes raw inputs and returns answers under the names of
    the outputs. `in_openvino`: OpenVINO has to run it too, which needs other forms of some operators."""
    taken = (*graph.outputs, *(value.name for value in graph.inputs))
    builder = OnnxBuilder(opset, taken, in_openvino=in_openvino)
    values: dict[Value, ir.Value] = {}
    for value in graph.inputs:
        values[value] = builder.inputs[value] = typed(ir.Value(name=value.name), value.type)
        if value.default is not None:
            builder.default(values[value], value.default)
    for weight in graph.weights:
        array = np.asarray(weights[weight.name], dtype(weight))
        values[weight.value] = builder.initializer(weight.name, array, weight=True)
    op = Operators(builder)
    for node in graph.nodes:
        builder.name, builder.site = node.name, node.site
        made = dict(zip(node.results, run_node(node, op, values), strict=True))
        values.update(made)
        if node.operator.reads_text:
            builder.provide(made)
    outputs = [answer(builder, op, name, value, values[value]) for name, value in graph.outputs.items()]
    used = read_names(builder.nodes)
    opsets = {"": opset} | ({ML: ml_opset} if builder.uses_ml else {})
    onnx_graph = ir.Graph(
        [values[v] for v in graph.inputs], outputs, nodes=builder.nodes,
        initializers=[v for n, v in builder.initializers.items() if n in used],
        opset_imports=opsets, name=name,
    )  # fmt: skip
    return ir.Model(
        onnx_graph,
        ir_version=ir_version,
        producer_name="dlc",
        doc_string=description or None,
        metadata_props=dict(metadata or {}),
    )


def run_node(node: Node, op: Operators, values: Mapping[Value, ir.Value]) -> tuple[ir.Value, ...]:
    operands, given = node.operator.split([values[v] for v in node.operands])
    weights = {leaf: values[v] for leaf, v in node.weights.items()}
    graphs = {role: partial(op.subgraph, graph, values) for role, graph in node.graphs.items()}
    results = node.operator.onnx(op, *operands, **weights, **given, **graphs)
    return results if isinstance(results, tuple) else (results,)


def answer(builder: OnnxBuilder, op: Operators, name: str, value: Value, lowered: ir.Value) -> ir.Value:
    """An output under its own name: the lowered value, or a copy if that is an input or another output."""
    builder.name, builder.site = name, value.site
    if lowered.producer() is None or lowered in builder.answers:
        lowered = op.Identity(lowered)
    builder.answers.append(lowered)
    lowered.name = name
    return typed(lowered, value.type)


def read_names(nodes: Iterable[ir.Node]) -> set[str | None]:
    """The names of the values that nodes read, those in graphs within them included."""
    found = {v.name for n in nodes for v in n.inputs if v is not None}
    inner = (a.as_graph() for n in nodes for a in n.attributes.values() if a.type == ir.AttributeType.GRAPH)
    return found.union(*(read_names([*graph]) | {v.name for v in graph.outputs} for graph in inner))


def numbers(initializer: ir.Value) -> np.ndarray:
    assert initializer.const_value is not None
    return initializer.const_value.numpy()


def is_square(value: ir.Value) -> bool:
    """Whether a value is a stored square matrix. OpenVINO (2026.4) computes wrong numbers where one is
    multiplied both plainly and transposed, so it gets the transposed one as a weight of its own."""
    return value.const_value is not None and len(set(numbers(value).shape)) == 1


def are_equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b)


def typed(value: ir.Value, type: Tensor) -> ir.Value:
    value.type = ir.TensorType(TYPES[type.element])
    value.shape = ir.Shape(
        [*([BATCH] if type.batched else []), *(s if isinstance(s, int) else str(s) for s in type.shape)]
    )
    return value


def serialize(model: ir.Model) -> bytes:
    """The bytes of the model file, which are deterministic."""
    return ir.to_proto(model).SerializeToString(deterministic=True)
