"""Rotation of pairs of features by the position of their step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import Number
from dlc.compiler.dims.dim import has_free, number, product
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import onnx_reshape
from dlc.compiler.operators.padding import APART, onnx_places
from dlc.compiler.operators.step_order import on_axis
from dlc.compiler.operators.stepwise import ALONE, Stepwise
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from dlc.compiler.dims.dim import Size


class Rotary(Operator):
    """Rotary position embedding (Su et al. 2021): rotates pairs of features by an angle for each position
    (torch and ONNX `cos` and `sin`).

    The last axis has n features, the one before it the steps. At step p, the pair of the features i and
    i + n / 2 is rotated by the angle `p / base ** (2 i / n)`. All other axes are treated as the batch is.
    Applied to queries and keys, it makes their products depend on the distance of their steps alone. Angles
    are float32, also under `precision = bf16`: at step p they are exact to about p / 2**23.
    """

    group = "layers"
    tells_places = True
    keeps = ("axes",)
    base: float = setting(
        "base of the wave lengths, which are from 2 pi to almost this multiple of 2 pi",
        Number(above=1),
        10_000.0,
    )

    def padding_of(self, place, axis):
        return APART

    def type(self, x: Tensor) -> Tensor:
        if x.rank < 2:
            raise Reject(f"`rotary` needs steps and features on the last axes, found {x}", at="x",
                         help="`reshape(-1, FEATURES)` makes them of a vector" if x.rank else "")  # fmt: skip
        if has_free(x.shape[-1]):
            raise Reject(f"`rotary` needs a known number of features on the last axis, found {x}", at="x",
                         help="steps are on the second to last axis: `transpose` swaps them")  # fmt: skip
        if number(x.shape[-1]) % 2:
            raise Reject(f"`rotary` rotates pairs of features, and the last axis of {x} is odd", at="x",
                         help="give it an even number of features")  # fmt: skip
        return x

    def stepwise(self, changing, steps):
        if not on_axis(steps, self.operands[0], -2):
            return ALONE
        return Stepwise(RotaryStep(base=self.base), placed=True)

    def torch(self, F, x):
        steps, width = self.operands[0].shape[-2:]
        return torch_rotated(F, x, *torch_waves(F, x, steps, width, self.base))

    def onnx(self, op, x):
        return onnx_rotated(op, x, self.operands[0], self.base)

    examples = (
        Example("rotary", "float[5, 4]", "float[5, 4]"),
        Example("rotary", "float[T, 6]", "float[T, 6]"),
        Example("rotary(100)", "float[2, T, 8]", "float[2, T, 8]"),
        Example("rotary(base=500_000)", "float[2, 3, T + 1, 4]", "float[2, 3, T + 1, 4]"),
        Example("rotary", "float[H, T, 4]", "float[H, T, 4]"),
        Example("rotary", "uint8[300, 2]", "float[300, 2]", low=0, high=3),
        Example("rotary", "float", rejects="E0201"),
        Example("rotary", "float[4]", rejects="E0201"),
        Example("rotary", "float[4, T]", rejects="E0201"),
        Example("rotary", "float[5, 3]", rejects="E0201"),
        Example("rotary(0)", "float[5, 4]", rejects="E0403"),
        Example("rotary", "class(3)[5, 4]", rejects="E0202"),
    )


class RotaryStep(Operator):
    """Rotates pairs of features of one step, on the second to last axis, by the angles of its position."""

    public = False
    base: float = setting("base of the wave lengths", Number(above=1))

    def type(self, x: Tensor, place: Tensor) -> Tensor:
        return x

    def torch(self, F, x, place):
        return torch_rotated_at(F, x, place, self.operands[0], self.base)

    def onnx(self, op, x, place):
        return onnx_rotated_at(op, x, place, self.operands[0], self.base)


def torch_rotated_at(F: Any, x: Any, place: Any, have: Tensor, base: float) -> Any:
    """One step of this type, `[..., 1, features]`, rotated by the angles of the position in each row."""
    angles = torch_angles(F, place.float(), number(have.shape[-1]), base)
    for _ in range(have.rank - 1):
        angles = angles.unsqueeze(1)
    return torch_rotated(F, x, angles.cos(), angles.sin())


def onnx_rotated_at(op: Any, x: Any, place: Any, have: Tensor, base: float) -> Any:
    """The same in ONNX."""
    places = op.Unsqueeze(op.Cast(place, to=1), op.constant([*range(1, have.rank + 1)], "int64"))
    cos, sin = onnx_waves(op, places, have.shape[-1], base)
    return onnx_turned(op, x, op.Concat(cos, cos, axis=-1), op.Concat(op.Neg(sin), sin, axis=-1))


def rates(width: int, base: float) -> list[float]:
    """The angle of each pair per step; of an odd number of features, the last pair is half."""
    return [base ** -(2 * i / width) for i in range((width + 1) // 2)]


def torch_places(F: Any, x: Any, steps: Size) -> Any:
    """The positions of so many steps, as float32."""
    return F.named("places", F.arange(F.size(steps), device=x.device).float())


def torch_angles(F: Any, places: Any, width: int, base: float) -> Any:
    """The angle of each pair at each position, [positions, pairs]; float32 under autocast too."""
    pairs = width / 2 if width % 2 else width // 2
    rates = F.named("rates", (base ** (-F.tensor(range((width + 1) // 2)).double() / pairs)).float())
    return F.named("angles", places.unsqueeze(1) * rates)


def torch_waves(F: Any, x: Any, steps: Size, width: Size, base: float) -> tuple[Any, Any]:
    """Cosines and sines of the angles."""
    angles = torch_angles(F, torch_places(F, x, steps), number(width), base)
    return F.named("cos", angles.cos()), F.named("sin", angles.sin())


def torch_rotated(F: Any, x: Any, cos: Any, sin: Any) -> Any:
    """`x`, [..., steps, width], with its pairs rotated by these angles."""
    pair = F.named("pair", x.chunk(2, -1))
    return F.cat((pair[0] * cos - pair[1] * sin, pair[1] * cos + pair[0] * sin), -1)


def onnx_rotated(op: Any, x: Any, have: Tensor, base: float) -> Any:
    """The same in ONNX, for `x` of this type. All nodes with the same steps, width and base share a table."""
    steps, width = have.shape[-2:]
    cos, sin = op.shared("rotary_table", (steps, width, base), lambda: onnx_table(op, steps, width, base))
    if op.opset < 23:
        return onnx_rotated_by_hand(op, x, (steps, width, base), cos, sin)
    four = Tensor("float", (product(have.shape[:-2]), steps, width))
    places = op.shared("rotary_places", steps, lambda: onnx_places_of_rows(op, steps))
    y = op.RotaryEmbedding(onnx_as(op, x, have, four), cos, sin, places)
    return onnx_as(op, y, four, have)


def onnx_as(op: Any, x: Any, have: Tensor, want: Tensor) -> Any:
    return x if have.rank == want.rank else onnx_reshape(op, x, want)


def onnx_table(op: Any, steps: Size, width: Size, base: float) -> tuple[Any, Any]:
    """Cosines and sines of the angles, [steps, pairs]."""
    return onnx_waves(op, onnx_column_of_places(op, steps), width, base)


def onnx_waves(op: Any, places: Any, width: Size, base: float) -> tuple[Any, Any]:
    """Cosines and sines of the angles at these positions, whose last axis has size 1."""
    angles = op.Mul(places, op.constant(rates(number(width), base), "float32"))
    return op.Cos(angles), op.Sin(angles)


def onnx_column_of_places(op: Any, steps: Size) -> Any:
    """The positions of so many steps as float32, [steps, 1]."""
    return op.Unsqueeze(op.Cast(onnx_places(op, steps), to=1), op.constant([1], "int64"))


def onnx_places_of_rows(op: Any, steps: Size) -> Any:
    """0, 1, ... for each row, [batch, steps]."""
    return op.Expand(onnx_places(op, steps), op.shape(Tensor("int64", (steps,))))


def onnx_rotated_by_hand(op: Any, x: Any, key: tuple[Any, ...], cos: Any, sin: Any) -> Any:
    """The rotation for opsets without `RotaryEmbedding`."""
    both_cos, signed_sin = op.shared("rotary_rows", key, lambda: (
        op.Concat(cos, cos, axis=-1), op.Concat(op.Neg(sin), sin, axis=-1)))  # fmt: skip
    return onnx_turned(op, x, both_cos, signed_sin)


def onnx_turned(op: Any, x: Any, both_cos: Any, signed_sin: Any) -> Any:
    first, second = op.Split(x, num_outputs=2, axis=-1, outputs=2)
    return op.Add(op.Mul(x, both_cos), op.Mul(op.Concat(second, first, axis=-1), signed_sin))
