"""Position encodings of sequences."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.initializers import NormalInitial
from dlc.compiler.definitions.parameter_types import FromPasses, Integer
from dlc.compiler.dims.dim import has_free, minimum, number
from dlc.compiler.operators.base import Example, Operator, Reject, WeightSpec, setting
from dlc.compiler.operators.layers import Layer
from dlc.compiler.operators.rotary import onnx_column_of_places, rates, torch_angles, torch_places
from dlc.compiler.operators.stepwise import Stepwise
from dlc.compiler.types import Tensor

LONGEST = 10_000.0  # wave lengths are from 2 pi to this multiple of 2 pi


def need_sequence(x: Tensor, what: str) -> Tensor:
    if x.rank != 2:
        help = (
            ""
            if x.rank < 2
            else "`reshape(-1, FEATURES)` joins the axes of the steps; a "
            "declared weight `[steps, features]`, added by `+`, is the same for each sequence"
        )
        raise Reject(f"`{what}` needs a sequence, [steps, features], found {x}", at="x", help=help)
    if has_free(x.shape[1]):
        raise Reject(f"`{what}` needs a known number of features on the last axis, found {x}", at="x",
                     help="steps are on axis 0, features on axis 1: `transpose` swaps them")  # fmt: skip
    return x


def torch_sines(F: Any, angles: Any, features: int) -> Any:
    """What is added at these angles, [positions, features]."""
    waves = F.stack((angles.sin(), angles.cos()), -1).flatten(-2)
    return waves[:, :features] if features % 2 else waves


def onnx_sines(op: Any, places: Any, features: int) -> Any:
    """The same in ONNX, from a column of positions."""
    each = rates(features, LONGEST)
    angles = op.Mul(places, op.constant([each[i // 2] for i in range(features)], "float32"))
    sines = op.constant([i % 2 == 0 for i in range(features)], "bool")
    return op.Where(sines, op.Sin(angles), op.Cos(angles))


class PositionStep(Operator):
    """Adds the vector of one position."""

    public = False
    of: Any = setting("the embedding of positions", FromPasses())

    def weights(self, *operands: Tensor):
        return self.of.weights(*self.of.positional)

    def type(self, x: Tensor, place: Tensor) -> Tensor:
        return x

    def torch(self, F, x, place, weight):
        return x + F.embedding(place, weight).unsqueeze(1)

    def onnx(self, op, x, place, weight):
        return op.Add(x, op.Unsqueeze(op.Gather(weight, place), op.constant([1], "int64")))


class WaveStep(Operator):
    """Adds the sines and cosines of one position."""

    public = False

    def type(self, x: Tensor, place: Tensor) -> Tensor:
        return x

    def torch(self, F, x, place):
        features = number(self.operands[0].shape[1])
        angles = torch_angles(F, place.float(), features, LONGEST)
        return x + torch_sines(F, angles, features).unsqueeze(1)

    def onnx(self, op, x, place):
        one = op.constant([1], "int64")
        column = op.Unsqueeze(op.Cast(place, to=1), one)
        sines = onnx_sines(op, column, number(self.operands[0].shape[1]))
        return op.Add(x, op.Unsqueeze(sines, one))


class PositionEmbedding(Layer):
    """Adds a trained vector for each position (Gehring et al. 2017; torch `embedding` and `add`, ONNX
    `Slice` and `Add`).

    The weight has a row for each of `max` positions. A sequence of free length that is longer at run time is
    an error of PyTorch and of ONNX Runtime. `auto` initializes with `normal(0.02)`.
    """

    elementwise = True
    tells_places = True
    group = "layers"
    auto = NormalInitial(stddev=0.02)
    keeps = ("axes", "missing")
    max: int = setting("number of positions, the maximum length of a sequence", Integer(1))

    def type(self, x: Tensor) -> Tensor:
        steps = need_sequence(x, self.name).shape[0]
        least, limit = minimum(steps) or 1, f"`{self.name}` has {self.max}"
        if least > self.max:
            found = str(steps) if isinstance(steps, int) else f"at least {least}"
            raise Reject(f"{x} has {found} steps, and {limit}", at="max", code="E0404",
                         help=f"set `max={least}` or more")  # fmt: skip
        if self.max == 1 and not isinstance(steps, int):
            # A single row would broadcast to all steps without an error.
            raise Reject(f"{x} may have many steps, and {limit}", at="max", code="E0404",
                         help="set `max` to the maximum length of a sequence")  # fmt: skip
        return x

    def stepwise(self, changing, steps):
        return Stepwise(PositionStep(of=self), placed=True, most=self.max)

    def size_limits(self):
        yield self.operands[0].shape[0], self.max

    def weights(self, x: Tensor):
        features = x.shape[1]
        yield WeightSpec("weight", (self.max, features), initial=self.init, fans=(self.max, features))

    def features_first(self) -> bool:
        return False

    def torch(self, F, x, weight):
        return x + F.narrow(weight, 0, 0, F.size(self.operands[0].shape[0]))

    def onnx(self, op, x, weight):
        zero = op.constant([0], "int64")
        end = op.Unsqueeze(op.size(self.operands[0].shape[0]), zero)
        return op.Add(x, op.Slice(weight, zero, end, zero))  # fails if the weight has too few rows

    examples = (
        Example("position_embedding(5)", "float[5, 4]", "float[5, 4]"),
        Example("position_embedding(max=8)", "float[5, 4]", "float[5, 4]"),
        Example("position_embedding(20)", "float[T, 4]", "float[T, 4]"),
        Example("position_embedding(24)", "float[2 * T + 1, 3]", "float[2 * T + 1, 3]"),
        Example("position_embedding(2, weight=[[1, 2], [3, 4]])", "float[1, 2]", "float[1, 2]"),
        Example("position_embedding(1)", "float[1, 4]", "float[1, 4]"),
        Example("position_embedding(6, init=uniform(0.1))", "float[6, 3]", "float[6, 3]"),
        Example("position_embedding(4)", "float[5, 4]", rejects="E0404"),
        Example("position_embedding(4)", "float[T + 4, 4]", rejects="E0404"),
        Example("position_embedding(1)", "float[T, 4]", rejects="E0404"),
        Example("position_embedding(0)", "float[5, 4]", rejects="E0403"),
        Example("position_embedding(8)", "float[4]", rejects="E0201"),
        Example("position_embedding(8)", "float[2, 3, 4]", rejects="E0201"),
        Example("position_embedding(8)", "float[4, T]", rejects="E0201"),
        Example("position_embedding(8)", "class(3)[4]", rejects="E0202"),
    )


class SinusoidalPosition(Operator):
    """Adds sinusoidal position encodings (Vaswani et al. 2017; torch and ONNX `sin` and `cos`).

    It adds `sin(p / 10000 ** (2 i / features))` to feature `2 i` of position `p`, and the cosine of the same
    angle to feature `2 i + 1`.
    """

    elementwise = True
    tells_places = True
    group = "layers"
    keeps = ("axes", "missing")

    def type(self, x: Tensor) -> Tensor:
        return need_sequence(x, self.name)

    def stepwise(self, changing, steps):
        return Stepwise(WaveStep(), placed=True)

    def torch(self, F, x):
        steps, features = self.operands[0].shape
        angles = torch_angles(F, torch_places(F, x, steps), number(features), LONGEST)
        return x + torch_sines(F, angles, number(features))

    def onnx(self, op, x):
        steps, features = self.operands[0].shape
        return op.Add(x, op.shared(self.name, (steps, features), lambda: onnx_sines(
            op, onnx_column_of_places(op, steps), number(features))))  # fmt: skip

    examples = (
        Example("sinusoidal_position", "float[5, 4]", "float[5, 4]"),
        Example("sinusoidal_position", "float[5, 3]", "float[5, 3]"),
        Example("sinusoidal_position", "float[7, 1]", "float[7, 1]"),
        Example("sinusoidal_position", "float[T, 6]", "float[T, 6]"),
        Example("sinusoidal_position", "float[T + 2, 5]", "float[T + 2, 5]"),
        Example("sinusoidal_position", "float[4]", rejects="E0201"),
        Example("sinusoidal_position", "float[2, 3, 4]", rejects="E0201"),
        Example("sinusoidal_position", "float[4, T]", rejects="E0201"),
        Example("sinusoidal_position", "class(3)[4]", rejects="E0202"),
    )
