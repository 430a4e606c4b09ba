"""The base class of recurrent layers: a state that is updated at each step of a sequence."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.definitions.initializers import Initializer, XavierNormal, Zeros
from dlc.compiler.definitions.parameter_types import Boolean, Integer, MemberOf, Number
from dlc.compiler.dims.dim import Size, has_free, total
from dlc.compiler.operators.base import Operator, Reject, WeightSpec, setting
from dlc.compiler.operators.padding import LENGTHS, onnx_mask
from dlc.compiler.operators.sliding_window import need_known
from dlc.compiler.operators.stepwise import Stepwise
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INT32 = 6  # the ONNX dtype
DIRECTIONS = ("", "_reverse")  # the suffixes of their weights
MAX_LAYERS = 100


def dropout_setting() -> Any:
    return setting("share of values that are dropped between two layers in training",
                   Number(minimum=0, below=1), 0, usual=(0, 0.8))  # fmt: skip


class Recurrent(Operator, abstract=True):
    """Layers of one kind, each on the sequence of states of the one before it.

    Weights have the names, shapes and gate order of `torch.nn`. Each layer of the ONNX form is one node; its
    weights `W`, `R` and `B` hold all directions, with the gates in the order of ONNX.

    Where the length of the sequences of a batch differs, the forms get it as `lengths`. The backward
    direction then reads each sequence reversed by its own length. The states after the end are those of any
    finite values, or copies of the last valid one; nothing reads them.
    """

    group = "layers"
    initial = ""
    recurs = True
    differs_on_nan = "ONNX Runtime may compute numbers from NaN."

    kind: ClassVar[str]  # the ONNX operator
    order: ClassVar[tuple[int, ...]]  # ONNX's gates by their place in torch

    units: Size = setting("size of the state", Integer(1, symbolic=True))
    layers: int = setting("number of layers", Integer(1, MAX_LAYERS), 1, usual=(1, 8))
    bidirectional: bool = setting("whether a second state runs from the end to the beginning; the states of "
                                  "both are joined on the last axis", Boolean(), False)  # fmt: skip
    final: bool = setting("whether the result is the last state of the last layer in place of all its states",
                          Boolean(), False)  # fmt: skip
    bias: bool = setting("whether to add trained offsets", Boolean(), True, keyword=True)
    init: Any = setting("initial values of the weight matrices",
                        MemberOf("initial", "a name such as `orthogonal`, or `uniform(0.1)`"), None,
                        keyword=True, shown="auto")  # fmt: skip

    dropout: float

    @property
    def auto(self) -> Initializer:
        return XavierNormal()

    @property
    def random(self) -> bool:
        return self.drops()

    def drops(self) -> bool:
        return self.dropout > 0 and self.layers > 1

    def inference(self) -> Operator:
        return self.with_settings(dropout=0) if self.drops() else self

    # --- types and weights --------------------------------------------------------------------------------

    def type(self, x: Tensor, state: Tensor | None = None) -> Tensor:
        need_known(self.units, "units")
        if self.dropout and self.layers == 1:
            raise Reject(f"`dropout` of `{self.name}` is between layers, and there is one", at="dropout",
                         code="E0404", help=f"`-> dropout({self.dropout})` after it drops values of its "
                                            "result")  # fmt: skip
        if x.rank != 2 or has_free(x.shape[1]):
            raise Reject(f"`{self.name}` needs steps on axis 0 and a known number of features on axis 1, "
                         f"found {x}", at="x", help=shape_help(x))  # fmt: skip
        self.check_state(state, "state")
        width = self.units * len(self.directions)
        return x.with_shape(width) if self.final else x.with_shape(x.shape[0], width)

    def check_state(self, state: Tensor | None, name: str) -> None:
        shape = self.state_shape()
        if state is not None and state.shape != shape:
            each = ", one for each layer and direction" if len(shape) > 1 else ""
            raise Reject(f"the initial state of this `{self.name}` is {Tensor('float', shape)}{each}; found "
                         f"{state}", at=name)  # fmt: skip

    def state_shape(self) -> tuple[Size, ...]:
        count = self.layers * len(self.directions)
        return (self.units,) if count == 1 else (count, self.units)

    def stepwise(self, changing, steps):
        from dlc.compiler.operators.recurrent_steps import RecurrentPrefix, RecurrentStep

        if self.bidirectional or self.final:
            if self.bidirectional:
                raise Reject("it reads the steps from the last to the first", at=0,
                             help="leave `bidirectional=true` out")  # fmt: skip
            raise Reject("it waits for the last step", at=0, help="without `final=true` it gives all states")
        if tuple(changing) != (0,):
            raise Reject("its initial state changes with the steps", at=changing[-1])
        x, *states = self.positional
        one = self.knowing(lengths=None).bind(x.with_axis(0, 1), *states)
        state = Tensor("float", self.state_shape())
        count = self.state_count()
        given = tuple([1, len(states)][:count]) if states else ()
        prefix = RecurrentPrefix(of=self)
        return Stepwise(
            RecurrentStep(of=one),
            prefix=prefix,
            states=(state,) * count,
            carried=(state,) * count,
            given=given,
        )

    def padding_of(self, place, axis):
        return LENGTHS if (place, axis) == (0, 0) else super().padding_of(place, axis)

    @property
    def directions(self) -> tuple[str, ...]:
        return DIRECTIONS if self.bidirectional else DIRECTIONS[:1]

    def inputs(self, layer: int) -> Size:
        """The number of features that a layer reads."""
        return self.units * len(self.directions) if layer else self.operands[0].shape[1]

    def leaves(self, layer: int, direction: str) -> list[str]:
        """The names of the weights of one layer in one direction."""
        parts = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if self.bias else 2]
        return [f"{part}_l{layer}{direction}" for part in parts]

    def weights(self, *operands: Tensor):
        """The matrices of all gates are one weight; the fans are those of one gate."""
        rows = len(self.order) * self.units
        for layer, direction in product(range(self.layers), self.directions):
            inputs, hidden, *biases = self.leaves(layer, direction)
            for leaf, columns in ((inputs, self.inputs(layer)), (hidden, self.units)):
                fans = columns, self.units
                yield WeightSpec(leaf, (rows, columns), initial=self.init, fans=fans)
            for leaf in biases:
                yield WeightSpec(leaf, (rows,), "bias", Zeros())

    def multiply_adds(self) -> Size:
        columns = total(self.inputs(layer) + self.units for layer in range(self.layers))
        a_step = columns * len(self.order) * self.units * len(self.directions)
        return self.operands[0].shape[0] * a_step

    # --- PyTorch ------------------------------------------------------------------------------------------

    @property
    def function(self) -> str:
        """The function of torch that computes all layers."""
        return self.kind.lower()

    def torch(self, F, x, *states, lengths=None, **weights):
        steps, free = F.size(self.operands[0].shape[0]), has_free(self.operands[0].shape[0])
        initial = self.torch_states(x, states)
        if free:
            x = F.pad(x, (0, 0, 0, 1 // (steps + 1)))  # torch computes no sequence without steps
        if lengths is None:
            y, last = self.torch_whole(F, x, initial, weights)
        else:
            y, last = self.torch_by_length(F, x, initial, lengths, weights)
        if not self.final:
            return y[:, :steps] if free else y
        if not free:
            return last
        count = x.new_full((1,), steps) if lengths is None else lengths.reshape(-1, 1)
        return F.where(count > 0, last, self.join(F, initial[0]))

    def torch_states(self, x: Any, states: Sequence[Any]) -> list[Any]:
        """The initial states, each `[layers * directions, batch, units]`."""
        count = self.layers * len(self.directions)
        if not states:
            return [x.new_zeros((count, x.shape[0], self.units))] * self.state_count()
        states = [s.unsqueeze(0) if count == 1 else s.transpose(0, 1).contiguous() for s in states]
        return [states[0], states[-1]][: self.state_count()]

    def state_count(self) -> int:
        return 1

    def join(self, F: Any, states: Any) -> Any:
        """The states of the last layer, joined on the last axis."""
        return F.cat((states[-2], states[-1]), -1) if self.bidirectional else states[-1]

    def torch_run(self, F: Any, x: Any, states: Sequence[Any], weights: Sequence[Any], layers: int,
                  directions: int) -> Any:  # fmt: skip
        """Some layers: all states of the last one, and the last states of all."""
        hx = tuple(states) if len(states) > 1 else states[0]
        dropout = float(self.dropout) if layers > 1 else 0.0
        return getattr(F, self.function)(
            x, hx, [*weights], self.bias, layers, dropout, True, directions > 1, True
        )

    def torch_whole(self, F: Any, x: Any, states: Sequence[Any], weights: Mapping[str, Any]) -> Any:
        made = self.torch_run(F, x, states, [*weights.values()], self.layers, len(self.directions))
        return made[0], self.join(F, made[1]) if self.final else None

    def torch_by_length(self, F: Any, x: Any, states: Sequence[Any], lengths: Any,
                        weights: Mapping[str, Any]) -> Any:  # fmt: skip
        """The same for sequences of several lengths. Packing them would be two to four times slower."""
        rows = F.indices(x, x.shape[0]).long() * x.shape[1]  # the first step of each row, in all steps
        end = (lengths - 1).clamp(min=0)
        if not self.bidirectional:
            y = self.torch_run(F, x, states, [*weights.values()], self.layers, 1)[0]
            return y, y.flatten(0, 1).index_select(0, rows + end) if self.final else None
        mirrored = (end.unsqueeze(1) - F.indices(x, x.shape[1]).long()).clamp(min=0)
        mirrored = (mirrored + rows.unsqueeze(1)).flatten()
        forward = backward = x
        for layer in range(self.layers):
            x = F.dropout(x, self.dropout, True) if layer and self.drops() else x
            both = [x, taken(x, mirrored)]
            for at, direction in enumerate(DIRECTIONS):
                place = 2 * layer + at
                own = [weights[leaf] for leaf in self.leaves(layer, direction)]
                both[at] = self.torch_run(F, both[at], [s[place : place + 1] for s in states], own, 1, 1)[0]
            forward, backward = both[0], taken(both[1], mirrored)
            x = F.cat((forward, backward), -1)
        if not self.final:
            return x, None
        return x, F.cat((forward.flatten(0, 1).index_select(0, rows + end), backward[:, 0]), -1)

    def module(self, nn):
        given = {name: value for name, value in self.module_settings().items() if value is not None}
        return getattr(nn, self.kind)(self.operands[0].shape[1], self.units, batch_first=True, **given)

    def module_settings(self) -> dict[str, Any]:
        """The other arguments of the module of torch, none where they have their defaults."""
        return {"num_layers": self.layers if self.layers > 1 else None, "bias": self.bias and None,
                "dropout": float(self.dropout) if self.drops() else None,
                "bidirectional": self.bidirectional or None}  # fmt: skip

    def call(self, F, module, x, *states):
        given = self.torch_states(x, states) if states else ()
        y, last = module(x, *([tuple(given)] if len(given) > 1 else given), outputs=2)
        return self.join(F, self.hidden(last)) if self.final else y

    def hidden(self, states: Any) -> Any:
        """The hidden states among the last states that the module returns."""
        return states

    # --- ONNX ---------------------------------------------------------------------------------------------

    def onnx(self, op, x, *states, lengths=None, **weights):
        by_length = lengths is not None and op.in_openvino
        limits = self.onnx_steps(op) if lengths is None or by_length else lengths
        counts = limits if lengths is None else lengths
        limits = None if limits is None else op.Cast(limits, to=INT32)
        run = partial(self.onnx_by_length, op, lengths) if by_length else partial(self.onnx_layer, op)
        given, x = self.onnx_states(op, states), op.Transpose(x, perm=[1, 0, 2])
        initial, last = given, None
        for layer in range(self.layers):
            initial = [self.onnx_part(op, s, layer) for s in given]
            y, last = run(x, limits, initial, weights, layer, self.directions)
            x = self.onnx_join(op, y, 1)
        if not self.final:
            return op.Transpose(x, perm=[1, 0, 2])
        if counts is not None and (given or op.in_openvino):
            ran = op.Greater(op.Reshape(counts, op.constant([1, -1, 1], "int64")), op.constant(0, "int64"))
            last = op.Where(ran, last, initial[0] if given else op.constant(0.0, "float32"))
        return self.onnx_join(op, last, 0)

    def onnx_steps(self, op: Any) -> Any:
        """The number of steps, once for each row, where it is free. Without it a `GRU` that has no steps ends
        the process of ONNX Runtime."""
        steps = self.operands[0].shape[0]
        if not has_free(steps):
            return None
        return op.Expand(op.size(steps), op.Unsqueeze(op.batch(), op.constant([0], "int64")))

    def onnx_states(self, op: Any, states: Sequence[Any]) -> list[Any]:
        """The initial states, each `[layers * directions, batch, units]`; an empty list for zeros."""
        first = op.constant([0], "int64") if states else None
        states = [
            op.Unsqueeze(s, first) if len(self.state_shape()) == 1 else op.Transpose(s, perm=[1, 0, 2])
            for s in states
        ]
        return [states[0], states[-1]][: self.state_count()] if states else []

    def onnx_part(self, op: Any, state: Any, layer: int) -> Any:
        """The initial states of one layer."""
        if self.layers == 1:
            return state
        count = len(self.directions)
        return onnx_slice(op, state, layer * count, (layer + 1) * count)

    def onnx_join(self, op: Any, states: Any, axis: int) -> Any:
        """The states of the directions, which are on this axis, joined on the last axis."""
        if not self.bidirectional:
            return op.Squeeze(states, op.constant([axis], "int64"))
        states = op.Transpose(states, perm=[*range(axis), axis + 1, axis, axis + 2])
        return op.Reshape(states, op.constant([0] * (axis + 1) + [2 * self.units], "int64"))

    def onnx_layer(self, op: Any, x: Any, limits: Any, states: Sequence[Any], weights: Mapping[str, Any],
                   layer: int, directions: Sequence[str], mask: Any = None,
                   outputs: int = 2) -> Any:  # fmt: skip
        """One layer: all its states, `[steps, directions, batch, units]`, and the last ones. `limits` are the
        steps of each row. With a `mask` of them, the padding holds a weight of this layer, so that no other
        layer reads the same tensor: OpenVINO (2026.4) takes batches for steps where recurrent layers share
        one."""
        leaves = [[weights[leaf] for leaf in self.leaves(layer, direction)] for direction in directions]
        inputs, hidden = zip(*(own[:2] for own in leaves), strict=True)
        offsets = [bias for own in leaves for bias in own[2:]]
        name = f"l{layer}{directions[0]}"
        w = op.stored(f"W_{name}", self.in_onnx_order, *inputs)
        r = op.stored(f"R_{name}", self.in_onnx_order, *hidden)
        b = op.stored(f"B_{name}", self.joined_offsets, *offsets) if offsets else None
        settings = {"hidden_size": self.units, **self.onnx_settings(len(directions))}
        if len(directions) > 1:
            settings["direction"] = "bidirectional"
        if mask is not None:
            x = op.Where(mask, x, op.Slice(r, *(op.constant([n] * 3, "int64") for n in (0, 1))))
        return getattr(op, self.kind)(x, w, r, b, limits, *states, outputs=outputs, **settings)

    def onnx_by_length(self, op: Any, lengths: Any, x: Any, limits: Any, states: Sequence[Any],
                       weights: Mapping[str, Any], layer: int, directions: Sequence[str]) -> Any:  # fmt: skip
        """The same for rows of several lengths if OpenVINO runs the node: it takes all steps, whatever the
        limits are."""
        every, last, one = [], [], op.constant([1], "int64")
        mirrored = partial(op.ReverseSequence, batch_axis=1, time_axis=0)
        mask = op.Transpose(onnx_mask(op, lengths, self.operands[0], 0), perm=[1, 0, 2])
        for at, direction in enumerate(directions):
            own = [onnx_slice(op, s, at, at + 1) for s in states]
            given = mirrored(x, lengths) if direction else x
            y, _ = self.onnx_layer(op, given, limits, own, weights, layer, (direction,), mask)
            y = op.Squeeze(y, one)
            end_first = mirrored(y, lengths)
            every.append(op.Unsqueeze(end_first if direction else y, one))
            end = onnx_slice(op, end_first, 0, 1)
            last.append(op.ReduceSum(end, op.constant([0], "int64"), keepdims=1))  # 0 where there is none
        return op.Concat(*every, axis=1), op.Concat(*last, axis=0)

    def onnx_settings(self, directions: int) -> dict[str, Any]:
        return {}

    def in_onnx_order(self, *matrices: Any) -> Any:
        """The weights of each direction, with the gates in the order of ONNX."""
        import numpy as np

        gates = (np.split(matrix, len(self.order)) for matrix in matrices)
        return np.stack([np.concatenate([g[place] for place in self.order]) for g in gates])

    def joined_offsets(self, *biases: Any) -> Any:
        """The two biases of each direction, one after the other."""
        return self.in_onnx_order(*biases).reshape(len(biases) // 2, -1)


def taken(x: Any, places: Any) -> Any:
    """A sequence of these steps of `x`, which count through all rows."""
    return x.flatten(0, 1).index_select(0, places).reshape(x.shape)


def shape_help(x: Tensor) -> str:
    if x.rank == 1:
        return "`reshape(-1, 1)` makes each value a step of one feature"
    if x.rank == 2:
        return "`transpose` swaps the two axes"
    return "`reshape` joins the axes of a step into one" if x.rank else ""


def onnx_slice(op: Any, x: Any, start: int, end: int) -> Any:
    """Entries of the first axis."""
    return op.Slice(x, *(op.constant([n], "int64") for n in (start, end, 0)))
