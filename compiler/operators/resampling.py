"""Resampling and cropping of images and signals, channels first."""

from __future__ import annotations

from functools import reduce
from typing import Any

from dlc.compiler.definitions.parameter_types import Boolean, Integer, Keyword, PerAxis
from dlc.compiler.dims.dim import DimError, Size, number, same
from dlc.compiler.operators.base import Example, Operator, Reject, per_axis, setting
from dlc.compiler.operators.operands import onnx_repeat
from dlc.compiler.operators.padding import (
    APART,
    LENGTHS,
    Fill,
    onnx_column,
    onnx_on_axis,
    onnx_places,
    onnx_take,
    torch_on_axis,
    torch_take,
)
from dlc.compiler.operators.pooling import need_space
from dlc.compiler.types import Tensor

# The names of linear interpolation over one, two and three space axes.
LINEAR_MODES = ("linear", "bilinear", "trilinear")
ONNX_MODES: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    "cubic": {"mode": "cubic", "coordinate_transformation_mode": "half_pixel", "cubic_coeff_a": -0.75},
    "linear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
}

NAN_SPREADS = "In interpolation a NaN may affect other pixels in ONNX Runtime than in PyTorch."


def onnx_mode(mode: str, align_corners: bool = False) -> dict[str, Any]:
    """The attributes of ONNX `Resize` that match torch `interpolate`."""
    found = ONNX_MODES["cubic" if mode == "bicubic" else "linear" if mode in LINEAR_MODES else mode]
    return found | {"coordinate_transformation_mode": "align_corners"} if align_corners else found


class Upsample(Operator):
    """Each space axis `scale` times as long (torch `interpolate`, ONNX `Resize`).

    `nearest` repeats values. `linear`, `bilinear` and `trilinear` interpolate linearly between the centres of
    pixels, over one, two or three space axes. `bicubic` interpolates by cubic polynomials, over two.
    """

    spatial = True
    differs_on_nan = NAN_SPREADS
    least = 1

    scale: Any = setting("factor of the size, one number or one per axis", PerAxis(Integer(1)))
    mode: str = setting("interpolation", Keyword("nearest", *LINEAR_MODES, "bicubic"), "nearest")

    def type(self, x: Tensor) -> Tensor:
        need_space(x, self.name)
        axes = x.rank - 1
        possible = ("nearest", LINEAR_MODES[axes - 1], *(["bicubic"] if axes == 2 else []))
        if self.mode not in possible:
            raise Reject(f"`{self.mode}` is for another number of space axes, found {x}", at="mode",
                         code="E0404", help=f"use {', '.join(f'`{m}`' for m in possible)}")  # fmt: skip
        sizes = (size * scale for size, scale in zip(x.shape[1:], self.scales(x), strict=True))
        return x.with_shape(x.shape[0], *sizes)

    def padding_of(self, place, axis):
        if not axis:
            return APART
        return Fill(0) if self.mode == "nearest" else Fill("last")  # engines spread NaN in both

    def scales(self, x: Tensor) -> tuple[int, ...]:
        return per_axis(self.scale, x.rank - 1, "scale")

    def torch(self, F, x):
        scales = tuple(map(float, self.scales(self.operands[0])))
        return F.interpolate(x, scale_factor=scales, mode=self.mode)

    def onnx(self, op, x):
        scales = op.constant([1, 1, *self.scales(self.operands[0])], "float32")
        return op.Resize(x, None, scales, **onnx_mode(self.mode))

    examples = (
        Example("upsample(2)", "float[3, 4]", "float[3, 8]"),
        Example("upsample(2)", "float[3, 4, 5]", "float[3, 8, 10]"),
        Example("upsample(3)", "uint8[1, 2, 3, 4]", "float[1, 6, 9, 12]", low=0, high=255),
        Example("upsample([2, 3])", "float[3, 4, 5]", "float[3, 8, 15]"),
        Example("upsample(1)", "float[3, 4, 5]", "float[3, 4, 5]"),
        Example("upsample(2)", "float[3, H, W]", "float[3, 2 * H, 2 * W]"),
        Example("upsample(3, mode=linear)", "float[2, 5]", "float[2, 15]"),
        Example("upsample(2, bilinear)", "float[3, 4, 5]", "float[3, 8, 10]"),
        Example("upsample(2, bilinear)", "float[C, H, W]", "float[C, 2 * H, 2 * W]"),
        Example("upsample([1, 4], mode=bilinear)", "float[1, 1, 3]", "float[1, 1, 12]"),
        Example("upsample(2, mode=trilinear)", "float[2, 2, 3, 4]", "float[2, 4, 6, 8]"),
        Example("upsample(2, mode=bicubic)", "float[3, 4, 5]", "float[3, 8, 10]"),
        Example("upsample(2, mode=bicubic)", "float[2, H, W]", "float[2, 2 * H, 2 * W]"),
        Example("upsample(2)", "float[3]", rejects="E0201"),
        Example("upsample(0)", "float[3, 4]", rejects="E0403"),
        Example("upsample([2, 2])", "float[3, 4]", rejects="E0404"),
        Example("upsample(2, mode=linear)", "float[3, 4, 4]", rejects="E0404"),
    )


class Resize(Operator):
    """An image of any size resized to `h` times `w` pixels (torch `interpolate`, ONNX `Resize`).

    `bilinear` interpolates linearly between the centres of pixels, `bicubic` by cubic polynomials. With
    `align_corners=true` the centres of the corner pixels stay in the corners. `nearest` takes pixel
    `floor(i * size / wanted)` in integer arithmetic, because the engines round differently.

    With `antialias=true` each pixel of a smaller image is a mean of all pixels that it covers, weighted by
    their distance, as in Pillow and in torchvision's `resize`. In ONNX these are two matrix products, because
    not all engines implement `antialias` of `Resize`.
    """

    spatial = True
    differs_on_nan = NAN_SPREADS
    least = 1

    h: Size = setting("height of the result", Integer(1, symbolic=True))
    w: Size = setting("width of the result", Integer(1, symbolic=True))
    mode: str = setting("interpolation", Keyword("nearest", "bilinear", "bicubic"), "bilinear")
    align_corners: bool = setting("whether corner pixels stay in the corners", Boolean(), False)
    antialias: bool = setting("whether a smaller image is made of means", Boolean(), False)

    def type(self, x: Tensor) -> Tensor:
        need_image(x, self.name)
        for name in ("align_corners", "antialias"):
            if getattr(self, name) and self.mode == "nearest":
                raise Reject(f"`{name}` is for `bilinear` and `bicubic`", at=name, code="E0403",
                             help="leave it out")  # fmt: skip
        if self.align_corners and self.antialias:
            raise Reject("`antialias` averages around the centres of pixels, and `align_corners` moves them",
                         at="align_corners", code="E0403", help="leave it out")  # fmt: skip
        return x.with_shape(x.shape[0], self.h, self.w)

    def padding_of(self, place, axis):
        if not axis:
            return APART
        wanted, size = self.axes()[axis - 1][1]
        if is_multiple(wanted, size) and not (self.antialias or self.align_corners):
            return Fill("last")
        if not isinstance(wanted, int) or self.antialias or self.mode == "bicubic":
            raise Reject("this `resize` depends on the length of the longest row", at=place,
                         help="`nearest` and `bilinear` without `antialias`, to a number of pixels, resize "
                              "each row by its own length")  # fmt: skip
        return LENGTHS

    def sampled(self, wanted: int) -> tuple[list[int], int, int, int]:
        """The places in a row of length `L` from which `wanted` values are taken, as integers: they are
        `max(steps * (L - a) - b, 0) / parts`. Returns steps, a, b, parts."""
        if self.mode == "nearest":
            return [*range(wanted)], 0, 0, wanted
        if self.align_corners:
            return [*range(wanted)], 1, 0, max(wanted - 1, 1)
        return [*range(1, 2 * wanted, 2)], 0, wanted, 2 * wanted

    def own_axes(self, lengths: Any) -> list[tuple[int, int]]:
        """The sample axes that are resized by the own length of each row, with their size in the result."""
        axes = [] if lengths is None else self.varying(self.operands[0])
        return [(axis, number(self.results[0].shape[axis])) for axis in axes]

    def torch_of_rows(self, F: Any, x: Any, axis: int, wanted: int, lengths: Any) -> Any:
        (steps, a, b, parts), lengths = self.sampled(wanted), lengths.unsqueeze(1)
        place = (F.tensor(steps) * (lengths - a) - b).clamp(min=0)
        low = place // parts
        taken = torch_take(F, x, low, axis, 3)
        if self.mode == "nearest":
            return taken
        share = torch_on_axis((place - low * parts).to(F.float32) / parts, axis, 3)
        return F.lerp(taken, torch_take(F, x, F.minimum(low + 1, lengths - 1).clamp(min=0), axis, 3), share)

    def onnx_of_rows(self, op: Any, x: Any, axis: int, wanted: int, lengths: Any, have: Tensor) -> Any:
        (steps, a, b, parts), lengths = self.sampled(wanted), onnx_column(op, lengths)
        zero, one, whole = op.constant(0, "int64"), op.constant(1, "int64"), op.constant(parts, "int64")
        place = op.Mul(op.constant(steps, "int64"), op.Sub(lengths, op.constant(a, "int64")))
        place = op.Max(op.Sub(place, op.constant(b, "int64")), zero)
        low = op.Div(place, whole)
        taken = onnx_take(op, x, low, axis, have)
        if self.mode == "nearest":
            return taken
        rest = op.Cast(op.Sub(place, op.Mul(low, whole)), to=1)
        share = onnx_on_axis(op, op.Div(rest, op.Cast(whole, to=1)), axis, 3)
        high = op.Max(op.Min(op.Add(low, one), op.Sub(lengths, one)), zero)
        return op.Add(taken, op.Mul(op.Sub(onnx_take(op, x, high, axis, have), taken), share))

    def torch(self, F, x, lengths=None):
        own = self.own_axes(lengths)
        for axis, wanted in own:
            x = self.torch_of_rows(F, x, axis, wanted, lengths)
        if self.antialias:  # along rows only: PyTorch 2.14 averages a single column wrongly on CPUs
            for _, (wanted, _) in reversed(self.axes()):
                size = x.shape[2], F.size(wanted)
                x = F.interpolate(x, size=size, mode=self.mode, antialias=True).transpose(2, 3)
            return x
        if self.mode != "nearest":
            size, align = (F.size(self.h), F.size(self.w)), self.align_corners or None
            return F.interpolate(x, size=size, mode=self.mode, align_corners=align)
        for axis, (wanted, size) in self.axes():
            if axis - 1 in dict(own):
                continue
            wanted = F.size(wanted)
            x = F.index_select(x, axis, F.arange(wanted, device=x.device) * F.size(size) // wanted)
        return x

    def onnx(self, op, x, lengths=None):
        own, have = self.own_axes(lengths), self.operands[0]
        for axis, wanted in own:
            have = have.with_axis(axis, wanted)
            x = self.onnx_of_rows(op, x, axis, wanted, lengths, have)
        if self.antialias:
            rows, columns = (averaging_matrix(op, *sizes, self.mode) for _, sizes in self.axes())
            rows = onnx_repeat(op, op.Transpose(rows, perm=[1, 0]), 3)
            return op.MatMul(op.MatMul(rows, x), columns)
        if self.mode != "nearest":
            shape = op.shape(self.results[0])
            return op.Resize(x, None, None, shape, **onnx_mode(self.mode, self.align_corners))
        for axis, (wanted, size) in self.axes():
            if axis - 1 in dict(own):
                continue
            indices = op.Mul(onnx_places(op, wanted), op.size(size))
            x = op.Gather(x, op.Div(indices, op.size(wanted)), axis=axis)
        return x

    def axes(self) -> tuple[tuple[int, tuple[Size, Size]], ...]:
        """The resized axes, each with its size in the result and in the operand."""
        height, width = self.operands[0].shape[1:]
        return (2, (self.h, height)), (3, (self.w, width))

    examples = (
        Example("resize(8, 10)", "float[3, 4, 5]", "float[3, 8, 10]"),
        Example("resize(3, 2)", "float[3, 7, 5]", "float[3, 3, 2]"),
        Example("resize(1, 1)", "float[3, 4, 6]", "float[3, 1, 1]"),
        Example("resize(6, 9)", "uint8[1, 4, 4]", "float[1, 6, 9]", low=0, high=255),
        Example("resize(h=8, w=8)", "float[3, H, W]", "float[3, 8, 8]"),
        Example("resize(2 * H, W)", "float[3, H, W]", "float[3, 2 * H, W]"),
        Example("resize(5, 7, mode=nearest)", "float[2, 3, 4]", "float[2, 5, 7]"),
        Example("resize(2, 3, nearest)", "float[2, 5, 8]", "float[2, 2, 3]"),
        Example("resize(6, 5, mode=nearest)", "float[C, H, W]", "float[C, 6, 5]"),
        Example("resize(H + 2, 2 * W, mode=nearest)", "float[2, H, W]", "float[2, H + 2, 2 * W]"),
        Example("resize(7, 9, mode=bicubic)", "float[3, 4, 5]", "float[3, 7, 9]"),
        Example("resize(3, 4, mode=bicubic)", "float[2, H, W]", "float[2, 3, 4]"),
        Example("resize(7, 9, align_corners=true)", "float[3, 4, 5]", "float[3, 7, 9]"),
        Example("resize(1, 3, align_corners=true)", "float[2, H, W]", "float[2, 1, 3]"),
        Example("resize(6, 1, bicubic, align_corners=true)", "float[2, 3, 5]", "float[2, 6, 1]"),
        Example("resize(4, 3, antialias=true)", "float[3, 9, 11]", "float[3, 4, 3]"),
        Example("resize(5, 12, antialias=true)", "float[2, H, W]", "float[2, 5, 12]"),
        Example("resize(3, 7, bicubic, antialias=true)", "uint8[1, 9, 5]", "float[1, 3, 7]", low=0, high=255),
        Example("resize(8, 8)", "float[3, 4]", rejects="E0201"),
        Example("resize(0, 8)", "float[3, 4, 4]", rejects="E0403"),
        Example("resize(8, 8, mode=linear)", "float[3, 4, 4]", rejects="E0403"),
        Example("resize(8, 8, nearest, align_corners=true)", "float[3, 4, 4]", rejects="E0403"),
        Example("resize(8, 8, nearest, antialias=true)", "float[3, 4, 4]", rejects="E0403"),
        Example("resize(8, 8, align_corners=true, antialias=true)", "float[3, 4, 4]", rejects="E0403"),
    )


def is_multiple(wanted: Size, size: Size) -> bool:
    """Whether an axis becomes a fixed number of times as long."""
    try:
        factor = wanted // size
    except DimError:
        return False
    return isinstance(factor, int) and same(size * factor, wanted)


def averaging_matrix(op: Any, wanted: Size, size: Size, mode: str) -> Any:
    """The weights [size, wanted] with which antialiasing averages an axis: a function of the distance between
    the centres of two pixels, in pixels of the coarser axis; the sum for each pixel of the result is 1.

    The distances are computed in integers. The cubic polynomials have the coefficient -0.5, as in Pillow and
    in torch `interpolate` with `antialias`.
    """
    one, two = op.constant(1, "int64"), op.constant(2, "int64")

    def scaled_centres(count: Size, other: Size) -> Any:
        return op.Mul(op.Add(op.Mul(onnx_places(op, count), two), one), op.size(other))

    given = op.Unsqueeze(scaled_centres(size, wanted), op.constant([1], "int64"))
    between = op.Abs(op.Sub(given, scaled_centres(wanted, size)))
    coarser = op.Mul(op.Max(op.size(size), op.size(wanted)), two)
    distance = op.Div(op.Cast(between, to=1), op.Cast(coarser, to=1))
    weights = triangle(op, distance) if mode == "bilinear" else cubic(op, distance)
    return op.Div(weights, op.ReduceSum(weights, op.constant([0], "int64"), keepdims=1))


def triangle(op: Any, distance: Any) -> Any:
    return op.Relu(op.Sub(op.constant(1, "float32"), distance))


def cubic(op: Any, distance: Any) -> Any:
    """`1.5 d**3 - 2.5 d**2 + 1` up to 1, `-0.5 d**3 + 2.5 d**2 - 4 d + 2` up to 2, else 0."""
    distance = op.Min(distance, op.constant(2, "float32"))
    inner, outer = (polynomial(op, distance, c) for c in ((1.5, -2.5, 0, 1), (-0.5, 2.5, -4, 2)))
    return op.Where(op.Less(distance, op.constant(1, "float32")), inner, outer)


def polynomial(op: Any, x: Any, coefficients: tuple[float, ...]) -> Any:
    """By Horner's rule, the highest power first."""
    first, *others = (op.constant(c, "float32") for c in coefficients)
    return reduce(lambda total, c: op.Add(op.Mul(total, x), c), others, first)


def need_image(x: Tensor, what: str) -> None:
    if x.rank != 3:
        raise Reject(f"`{what}` needs [channels, height, width], found {x}", at="x",
                     help="`reshape(...)` turns it into an image")  # fmt: skip
