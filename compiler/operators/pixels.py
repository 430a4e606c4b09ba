"""Pixels taken from images: at given positions, from channels, or from the centre."""

from __future__ import annotations

from typing import Any

from dlc.compiler.definitions.parameter_types import Integer
from dlc.compiler.dims.dim import Size
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.padding import APART, Fill
from dlc.compiler.operators.resampling import need_image
from dlc.compiler.types import Tensor


class GridSample(Operator):
    """The values of an image at the positions in `grid`, interpolated linearly between the centres of the
    four nearest pixels; 0 outside of the image (torch `grid_sample`, ONNX `GridSample`).

    The last axis of `grid` holds x and y, from -1 at the left and upper edge of the image to 1 at the right
    and lower edge (Jaderberg et al., Spatial Transformer Networks, 2015).
    """

    group = "resampling"
    spatial = True
    least = 1
    differs_on_nan = "At a NaN position PyTorch and ONNX Runtime take different values."
    usage = """
    input  image: uint8[1, 28, 28]
    output digit: class(10)

    pixels = image / 255
    places = pixels -> flatten -> dense(8 * 8 * 2) -> tanh -> reshape(8, 8, 2)
    pixels -> grid_sample(places) -> flatten -> dense(10) -> digit
    """

    def padding_of(self, place, axis):
        return Fill(0, lengths=True) if place == 0 and axis else APART

    def type(self, x: Tensor, grid: Tensor) -> Tensor:
        need_image(x, self.name)
        if grid.rank != 3 or grid.shape[-1] != 2:
            raise Reject(f"`{self.name}` needs a position x, y for each pixel of the result, "
                         f"[height, width, 2], found {grid}", at="grid")  # fmt: skip
        return x.with_shape(x.shape[0], *grid.shape[:2])

    def torch(self, F, x, grid, lengths=None):
        if lengths is not None:
            grid = self.torch_of_rows(F, grid, lengths)
        return F.grid_sample(x, grid, "bilinear", "zeros", False)

    def torch_of_rows(self, F: Any, grid: Any, lengths: Any) -> Any:
        """The positions in images as large as the largest one, with padding of 0: x and y are scaled by the
        share that each image has of the axis."""
        height, width = self.operands[0].shape[1:]
        shares = [lengths.to(F.float32) / F.size(size) if size == self.lengths else F.ones_like(lengths)
                  for size in (width, height)]  # fmt: skip
        return (grid + 1) * F.stack(shares, 1).unsqueeze(1).unsqueeze(1) - 1

    def onnx_of_rows(self, op: Any, grid: Any, lengths: Any) -> Any:
        one, rows = op.constant(1, "float32"), op.constant([-1, 1, 1, 1], "int64")
        lengths, (height, width) = op.Cast(op.Reshape(lengths, rows), to=1), self.operands[0].shape[1:]
        shares = [op.Div(lengths, op.Cast(op.size(size), to=1)) if size == self.lengths
                  else op.Expand(one, op.Shape(lengths)) for size in (width, height)]  # fmt: skip
        return op.Sub(op.Mul(op.Add(grid, one), op.Concat(*shares, axis=3)), one)

    def onnx(self, op, x, grid, lengths=None):
        # All is 0 beyond 3. ONNX Runtime converts positions that are too large for an integer to wrong ones.
        grid = op.Clip(grid, op.constant(-3, "float32"), op.constant(3, "float32"))
        grid = grid if lengths is None else self.onnx_of_rows(op, grid, lengths)
        mode = "linear" if op.opset >= 20 else "bilinear"  # the name changed
        return op.GridSample(x, grid, mode=mode, padding_mode="zeros", align_corners=0)

    examples = (
        Example("grid_sample", ("float[3, 4, 5]", "float[6, 2, 2]"), "float[3, 6, 2]"),
        Example("grid_sample", ("uint8[1, 3, 3]", "float[1, 1, 2]"), "float[1, 1, 1]", low=-1, high=1),
        Example("grid_sample", ("float[C, H, W]", "float[H, 5, 2]"), "float[C, H, 5]"),
        Example("grid_sample", ("float[4, 5]", "float[6, 2, 2]"), rejects="E0201"),
        Example("grid_sample", ("float[3, 4, 5]", "float[6, 2, 3]"), rejects="E0201"),
        Example("grid_sample", ("float[3, 4, 5]", "float[6, 2]"), rejects="E0201"),
        Example("grid_sample", ("class(3)[3, 4, 5]", "float[6, 2, 2]"), rejects="E0202"),
    )


class PixelShuffle(Operator):
    """An image `r` times as high and wide: the values of `r * r` channels become `r` times `r` pixels
    (Shi et al. 2016; torch `pixel_shuffle`, ONNX `DepthToSpace` in the mode CRD)."""

    group = "resampling"
    spatial = True
    elementwise = True

    r: int = setting("factor of height and width", Integer(1))

    def type(self, x: Tensor) -> Tensor:
        need_image(x, self.name)
        channels, height, width = x.shape
        square = self.r**2
        if not isinstance(channels, int) or channels % square:
            raise Reject(f"`pixel_shuffle({self.r})` needs a multiple of {square} channels, found {x}",
                         at="x", help=f"give the layer before it {square} channels for each channel of "
                                      "the result")  # fmt: skip
        return x.with_shape(channels // square, height * self.r, width * self.r)

    def torch(self, F, x):
        return F.pixel_shuffle(x, self.r)

    def onnx(self, op, x):
        return op.DepthToSpace(x, blocksize=self.r, mode="CRD")

    examples = (
        Example("pixel_shuffle(2)", "float[8, 3, 4]", "float[2, 6, 8]"),
        Example("pixel_shuffle(3)", "float[9, 2, 2]", "float[1, 6, 6]"),
        Example("pixel_shuffle(1)", "float[2, 3, 4]", "float[2, 3, 4]"),
        Example("pixel_shuffle(2)", "float[4, H, W]", "float[1, 2 * H, 2 * W]"),
        Example("pixel_shuffle(2)", "float[6, 3, 4]", rejects="E0201"),
        Example("pixel_shuffle(2)", "float[C, 3, 4]", rejects="E0201"),
        Example("pixel_shuffle(2)", "float[4, 4]", rejects="E0201"),
    )


class Crop(Operator):
    """The centre of an image, over its last two axes (torchvision `center_crop`, ONNX `Slice`).

    The start of the window is rounded half to even, as in torchvision.
    """

    group = "resampling"
    takes = "any"
    batchless = True
    elementwise = True
    keeps = ("numbers", "axes", "missing")

    h: int = setting("height of the result", Integer(1))
    w: int = setting("width of the result", Integer(1))

    def type(self, x: Tensor) -> Tensor:
        if x.rank < 2:
            raise Reject(f"`{self.name}` takes the centre of the last two axes, found {x}", at="x")
        for what, wanted, size in zip(("high", "wide"), (self.h, self.w), x.shape[-2:], strict=True):
            if not isinstance(size, int):
                raise Reject(f"`{self.name}` needs an image of known size, found {x}", at="x",
                             help=f"`resize({self.h}, {self.w})` takes images of any size")  # fmt: skip
            if wanted > size:
                raise Reject(f"`{self.name}` cannot take {wanted} of {size} pixels: {x} is not {what} enough",
                             at="x", help="take fewer, or `pad` before it")  # fmt: skip
        return x.with_shape(*x.shape[:-2], self.h, self.w)

    def corner(self) -> tuple[int, int]:
        """The first row and column of the window."""
        rows, columns = self.operands[0].shape[-2:]
        return middle(rows, self.h), middle(columns, self.w)

    def torch(self, F, x):
        top, left = self.corner()
        return x[..., top : top + self.h, left : left + self.w]

    def onnx(self, op, x):
        top, left = self.corner()
        starts, stops = op.constant([top, left], "int64"), op.constant([top + self.h, left + self.w], "int64")
        return op.Slice(x, starts, stops, op.constant([-2, -1], "int64"))

    examples = (
        Example("crop(2, 3)", "float[3, 4, 5]", "float[3, 2, 3]"),
        Example("crop(h=3, w=3)", "uint8[1, 6, 6]", "uint8[1, 3, 3]", low=0, high=255),
        Example("crop(1, 4)", "float[8, 4]", "float[1, 4]"),
        Example("crop(2, 2)", "class(3)[5, 5]", "class[2, 2]"),
        Example("crop(4, 5)", "float[C, 4, 5]", "float[C, 4, 5]"),
        Example("crop(5, 2)", "float[3, 4, 5]", rejects="E0201"),
        Example("crop(2, 6)", "float[3, 4, 5]", rejects="E0201"),
        Example("crop(2, 2)", "float[3, H, 5]", rejects="E0201"),
        Example("crop(2, 2)", "float[5]", rejects="E0201"),
        Example("crop(0, 2)", "float[3, 4, 5]", rejects="E0403"),
    )


def middle(size: Size, wanted: Size) -> int:
    """The start of a centred window of the size `wanted`, rounded half to even."""
    assert isinstance(size, int)
    assert isinstance(wanted, int)
    return round((size - wanted) / 2)
