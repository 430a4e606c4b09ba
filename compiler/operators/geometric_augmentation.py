"""Geometric augmentation: flips, crops and rotations of images. Targets that are images are moved too."""

from __future__ import annotations

from abc import abstractmethod
from math import pi
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import (
    Boolean,
    Integer,
    ListOf,
    MemberOf,
    Nothing,
    Number,
    OneOf,
)
from dlc.compiler.dims.dim import Size, same
from dlc.compiler.operators.activations import Identity
from dlc.compiler.operators.augmentation import (
    Augmentation,
    WithTargets,
    check_moved,
    check_range,
    draw_place,
    draw_sizes,
    per_sample,
)
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.indexing import Slice
from dlc.compiler.operators.operands import sample_axis, spell_classes, torch_dtype
from dlc.compiler.operators.padding import APART
from dlc.compiler.operators.pixels import middle
from dlc.compiler.operators.resampling import NAN_SPREADS, Resize, need_image
from dlc.compiler.operators.validity import torch_ignored, torch_valid
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

RATIO = (3 / 4, 4 / 3)  # of the sides of a resized window, as in torchvision
KNOWN = 0.999  # minimum weight of valid pixels in an interpolated pixel of a target that counts


class GeometricAugmentation(Augmentation, abstract=True):
    """An augmentation that moves pixels. It moves targets that are images with the same random draws."""

    def augments_target(self, target):
        return target.rank >= 2

    def check_target(self, target):
        check_moved(target, self.operands[0])

    def with_targets(self, smooth):
        return Followed(motion=self, smooth=smooth)

    @abstractmethod
    def move(self, F: Any, x: Any, have: Tensor, smooth: bool, *draws: Any) -> Any:
        """`x`, of the type `have`, with its last two axes moved like those of the image. Values are
        interpolated only if `smooth`."""
        raise NotImplementedError

    def act(self, F, x, *draws):
        return self.move(F, x, self.operands[0], True, *draws)


class RandomFlip(GeometricAugmentation):
    """In training each image is flipped along `axis` with probability `p` (torchvision
    `RandomHorizontalFlip`; with `axis=-2` `RandomVerticalFlip`).

    Targets that are images are flipped too. At inference the identity.
    """

    p: float = setting("share of the images that are flipped", Number(0, 1), 0.5)
    axis: int = setting("the axis that is flipped: -1 for left and right, -2 for up and down", Integer(), -1)

    def type(self, x: Tensor) -> Tensor:
        super().type(x)
        if sample_axis(x, self.axis) < x.rank - 2:
            raise Reject(f"`random_flip` flips one of the last two axes, and axis {self.axis} of {x} "
                         "holds its channels", at="axis")  # fmt: skip
        return x

    def padding_of(self, place, axis):
        flipped = axis == sample_axis(self.operands[0], self.axis)
        return super().padding_of(place, axis) if flipped else APART

    def draws(self, F, x):
        return (F.uniform(x) < self.p,)

    def move(self, F, x, have, smooth, chosen):
        axis = sample_axis(self.operands[0], self.axis) - self.operands[0].rank
        return F.where(per_sample(chosen, have.rank), x.flip(axis), x)

    examples = (
        Example("random_flip", "float[3, 8, 6]", "float[3, 8, 6]"),
        Example("random_flip(0.3)", "float[3, H, W]", "float[3, H, W]"),
        Example("random_flip(axis=-2)", "uint8[1, 8, 6]", "float[1, 8, 6]", low=0, high=255),
        Example("random_flip(1, 0)", "float[8, W]", "float[8, W]"),
        Example("random_flip(axis=0)", "float[3, 8, 6]", rejects="E0201"),
        Example("random_flip(2)", "float[3, 8, 6]", rejects="E0403"),
        Example("random_flip", "float[64]", rejects="E0201"),
    )


class RandomWindow(GeometricAugmentation, abstract=True):
    """An augmentation whose result has `h` rows and `w` columns. It moves targets only if that is the size of
    the image, because targets keep their size."""

    h: Size = setting("rows of the result", Integer(1, symbolic=True))
    w: Size | None = setting(
        "columns of the result", OneOf(Integer(1, symbolic=True), Nothing()), None, shown="h"
    )

    def window(self) -> tuple[Size, Size]:
        return self.h, self.h if self.w is None else self.w

    def keeps_size(self) -> bool:
        return all(map(same, self.operands[0].shape, self.results[0].shape))

    def check_target(self, target):
        (x,), (result,) = self.operands, self.results
        if not self.keeps_size():
            height, width = x.shape[-2:]
            call = f"{self.name}({height}, {width}{', padding=4' if 'padding' in self.settings else ''})"
            raise Reject(f"it crops {x} to {result}, and the target is {spell_classes(target)}", code="E0513",
                         help=f"targets keep their size: use a window of the same size, as in "
                              f"`{call}`")  # fmt: skip
        super().check_target(target)


class RandomCrop(RandomWindow):
    """In training a window of `h` rows and `w` columns of each image, at a uniform position, after `padding`
    zeros on each side of the image (torchvision `RandomCrop`).

    Targets that are images are cropped too, provided that the window is as large as the image. Their pixels
    from outside are ignored if their type has `ignore=`, else 0. At inference the centre window, as in `crop`
    (torch slicing, ONNX `Slice`).
    """

    padding: int = setting("zeros on each side of the image", Integer(0), 0)

    def type(self, x: Tensor) -> Tensor:
        super().type(x)
        for want, size in zip(self.window(), x.shape[-2:], strict=True):
            if same(size, want):
                continue
            if not isinstance(size, int) or not isinstance(want, int):
                raise self.misfit(x, "cannot be proved to fit", "E0204")
            if want > size:
                raise self.misfit(x, "does not fit", "E0201")
        return x.with_shape(*x.shape[:-2], *self.window())

    def padding_of(self, place, axis):
        whole = same(self.operands[0].shape[axis], self.results[0].shape[axis]) and not self.padding
        return APART if whole else super().padding_of(place, axis)

    def misfit(self, x: Tensor, what: str, code: str) -> Reject:
        window = " x ".join(map(str, self.window()))
        return Reject(f"a window of {window} {what} into {x}", at="x", code=code,
                      help="at inference the centre is taken, without padding")  # fmt: skip

    def inference(self) -> Operator:
        if self.keeps_size():
            return Identity()
        sizes = zip(self.operands[0].shape, self.results[0].shape, strict=True)
        starts = ((0 if same(size, want) else middle(size, want), want) for size, want in sizes)
        return Slice(entries=tuple((start, start + want, None) for start, want in starts))

    def draws(self, F, x):
        margins = (
            n + 2 * self.padding - want
            for n, want in zip(self.operands[0].shape[-2:], self.window(), strict=True)
        )
        return tuple((F.uniform(x) * (F.size(margin) + 1)).floor() for margin in margins)

    def move(self, F, x, have, smooth, top, left):
        x = F.pad(x, [self.padding] * 4, value=torch_ignored(F, have)) if self.padding else x
        for axis, first, want in zip((-2, -1), (top, left), self.window(), strict=True):
            entries = per_sample(first, 1) + F.indices(first, F.size(want))
            x = take_entries(F, x, axis, have.rank, entries, F.size(want))
        return x

    examples = (
        Example("random_crop(4)", "float[3, 8, 6]", "float[3, 4, 4]"),
        Example("random_crop(5, 4)", "float[3, 8, 6]", "float[3, 5, 4]"),
        Example("random_crop(8, w=6, padding=2)", "float[3, 8, 6]", "float[3, 8, 6]"),
        Example("random_crop(3)", "uint8[8, 6]", "float[3, 3]", low=0, high=255),
        Example("random_crop(H, 4, padding=1)", "float[3, H, 6]", "float[3, H, 4]"),
        Example("random_crop(H, W, padding=4)", "float[3, H, W]", "float[3, H, W]"),
        Example("random_crop(4)", "float[3, H + 3, W + 4]", rejects="E0204"),
        Example("random_crop(7)", "float[3, 8, 6]", rejects="E0201"),
        Example("random_crop(4)", "float[3, H, 6]", rejects="E0204"),
        Example("random_crop(4)", "float[64]", rejects="E0201"),
        Example("random_crop(0)", "float[3, 8, 6]", rejects="E0403"),
    )


class RandomResizedCrop(RandomWindow):
    """In training a random window of each image, resized to `h` rows and `w` columns (torchvision
    `RandomResizedCrop`).

    The area of the window, as a share of the image, is uniform over `scale`; its width divided by its height
    is log-uniform from 3/4 to 4/3; its position is uniform. If none of ten draws fits, it is the largest
    window in the centre with such a shape (Szegedy et al., Going Deeper with Convolutions, 2015). The window
    is resized as by `resize(h, w, antialias=true)`.

    Targets that are images follow, provided that the result is as large as the image; those that are not
    floats take the nearest value. At inference the whole image is resized in the same way.
    """

    differs_on_nan = NAN_SPREADS
    scale: tuple[float, ...] = setting("minimum and maximum area", ListOf(Number(0, 1)), (0.08, 1))

    def type(self, x: Tensor) -> Tensor:
        need_image(x, self.name)
        check_range(self.scale, "scale")
        return x.with_shape(x.shape[0], *self.window())

    def inference(self) -> Operator:
        if self.keeps_size():
            return Identity()
        h, w = self.window()
        return Resize(h=h, w=w, antialias=True)

    def draws(self, F, x):
        (image,) = self.operands
        height, width = map(F.size, image.shape[-2:])
        tall, wide = draw_sizes(F, x, image, self.scale, RATIO)
        fits = (tall > 0) & (tall <= height) & (wide > 0) & (wide <= width)
        found, first = fits.any(1, True), fits.to(F.uint8).argmax(1, True)
        rows, columns = tall[:, :1] * 0 + height, wide[:, :1] * 0 + width
        tall = F.where(found, tall.gather(1, first), F.minimum(rows, (columns * RATIO[1]).round()))
        wide = F.where(found, wide.gather(1, first), F.minimum(columns, (rows * RATIO[1]).round()))
        top, left = draw_place(F, x, image, tall, wide)
        top = F.where(found, top, ((rows - tall) / 2).floor())
        left = F.where(found, left, ((columns - wide) / 2).floor())
        return top, left, tall, wide

    def move(self, F, x, have, smooth, top, left, tall, wide):
        parts = [*zip((-2, -1), (top, left), (tall, wide), have.shape[-2:], self.window(), strict=True)]

        def average(x: Any) -> Any:
            for axis, first, length, size, wanted in parts:
                x = average_entries(F, x, axis, have.rank, first, length, F.size(size), F.size(wanted))
            return x

        if smooth:
            return interpolate_valid(F, x, have, average)
        for axis, first, length, _, wanted in parts:
            count = F.size(wanted)
            places = first + (F.indices(first, count) * length / count).floor()
            x = take_entries(F, x, axis, have.rank, places, count)
        return x

    examples = (
        Example("random_resized_crop(4)", "float[3, 8, 6]", "float[3, 4, 4]"),
        Example("random_resized_crop(5, 4, scale=[0.5, 0.9])", "float[3, 8, 6]", "float[3, 5, 4]"),
        Example("random_resized_crop(8, w=6)", "float[3, 8, 6]", "float[3, 8, 6]"),
        Example("random_resized_crop(9)", "uint8[1, 8, 6]", "float[1, 9, 9]", low=0, high=255),
        Example("random_resized_crop(4)", "float[3, H, W]", "float[3, 4, 4]"),
        Example("random_resized_crop(H, W, scale=[0.25, 1])", "float[3, H, W]", "float[3, H, W]"),
        Example("random_resized_crop(4, scale=[0.9, 0.1])", "float[3, 8, 6]", rejects="E0404"),
        Example("random_resized_crop(4, scale=[0.9, 1.1])", "float[3, 8, 6]", rejects="E0403"),
        Example("random_resized_crop(4)", "float[8, 6]", rejects="E0201"),
        Example("random_resized_crop(0)", "float[3, 8, 6]", rejects="E0403"),
    )


def interpolate_valid(F: Any, x: Any, have: Tensor, interpolate: Callable[[Any], Any]) -> Any:
    """`interpolate(x)`. In a target with ignored entries, a pixel is ignored unless pixels that count have
    almost its whole weight."""
    if not have.ignore:
        return interpolate(x)
    valid = torch_valid(F, x, have)
    known = interpolate(valid.type_as(x)) > KNOWN
    return interpolate(x.where(valid, 0)).where(known, torch_ignored(F, have))


def take_entries(F: Any, x: Any, axis: int, rank: int, entries: Any, count: Any) -> Any:
    """`count` entries of an axis of `x`, whose samples have `rank` axes, by their indices for each sample."""
    shape = [1] * (rank + 1)
    shape[0], shape[axis] = -1, count
    return F.take_along_dim(x, entries.to(F.int64).reshape(shape), axis)


def average_entries(
    F: Any, x: Any, axis: int, rank: int, first: Any, length: Any, size: Any, wanted: Any
) -> Any:
    """`length` entries of an axis from `first` on, resized by linear interpolation with antialiasing."""
    centres = first + (F.indices(first, wanted) + 0.5) * length / wanted
    entries = F.indices(first, size)
    distance = (entries + 0.5 - centres.unsqueeze(2)).abs() / (length / wanted).clamp(min=1).unsqueeze(2)
    inside = (entries >= first) & (entries < first + length)
    weights = (1 - distance).clamp(min=0) * inside.unsqueeze(1)
    weights = weights / weights.sum(2, True)
    for _ in range(rank - 2):
        weights = weights.unsqueeze(1)
    return F.matmul(weights, x) if axis == -2 else F.matmul(x, weights.transpose(-1, -2))


class RandomRotate(GeometricAugmentation):
    """In training each image is rotated about its centre, counter-clockwise by an angle uniform over
    [-degrees, degrees] (torchvision `RandomRotation`).

    Values are interpolated linearly between the four nearest pixels; pixels from outside are 0. Targets that
    are images are rotated too; those that are not floats take the nearest value. Their pixels from outside
    are ignored if their type has `ignore=`, else 0. At inference the identity.
    """

    degrees: float = setting("maximum angle in degrees", Number(0))

    def draws(self, F, x):
        return ((F.uniform(x) * 2 - 1) * (self.degrees * pi / 180),)

    def move(self, F, x, have, smooth, angle):
        height, width = map(F.size, have.shape[-2:])
        cos, sin, zero = angle.cos(), angle.sin(), angle * 0
        down, across = (sin, sin) if same(*have.shape[-2:]) else (sin * height / width, sin * width / height)
        rows = [F.stack([cos, -down, zero], 1), F.stack([across, cos, zero], 1)]
        grid = F.affine_grid(F.stack(rows, 1), (x.shape[0], 1, height, width), False)

        def sample(x: Any) -> Any:
            channels = x if have.rank == 3 else x.unsqueeze(1)
            channels = channels if have.element == "float" else channels.to(F.float32)
            mode = "bilinear" if smooth else "nearest"
            moved = F.grid_sample(channels, grid.type_as(channels), mode, "zeros", False)
            return moved if have.rank == 3 else moved.squeeze(1)

        moved = interpolate_valid(F, x, have, sample)
        return moved if have.element == "float" else moved.to(torch_dtype(F, have.element))

    examples = (
        Example("random_rotate(15)", "float[3, 8, 6]", "float[3, 8, 6]"),
        Example("random_rotate(degrees=90)", "float[3, H, W]", "float[3, H, W]"),
        Example("random_rotate(0.5)", "uint8[8, 6]", "float[8, 6]", low=0, high=255),
        Example("random_rotate(-5)", "float[3, 8, 6]", rejects="E0403"),
        Example("random_rotate(5)", "float[64]", rejects="E0201"),
    )


class Followed(WithTargets):
    """An image and targets, moved by an augmentation with the same draws."""

    elementwise = True  # along the axes that the augmentation does not move
    motion: Any = setting("the augmentation", MemberOf("operator"))
    smooth: tuple[bool, ...] = setting(
        "whether the values of each tensor are interpolated", ListOf(Boolean())
    )

    def type(self, x: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        moved = self.motion.bind(x).results[0]
        return moved, *(t.with_shape(*t.shape[:-2], *moved.shape[-2:]) for t in others)

    def torch(self, F, x, *others):
        motion = self.motion.bind(self.operands[0])
        draws = motion.draws(F, x)
        each = zip(others, self.operands[1:], self.smooth, strict=True)
        return motion.act(F, x, *draws), *(
            motion.move(F, t, have, smooth, *draws) for t, have, smooth in each
        )
