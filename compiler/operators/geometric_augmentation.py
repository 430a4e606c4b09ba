"""Geometric augmentation: flips, crops and rotations of images. Targets that are images are moved too."""

from __future__ import annotations

from abc import abstractmethod
from math import pi
from typing import Any

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
from dlc.compiler.operators.augmentation import Augmentation, WithTargets, per_sample
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.indexing import Slice
from dlc.compiler.operators.operands import sample_axis, spell_classes, torch_dtype
from dlc.compiler.operators.resampling import middle
from dlc.compiler.operators.validity import torch_ignored, torch_valid
from dlc.compiler.types import Tensor

KNOWN = 0.999  # minimum weight of valid pixels in an interpolated pixel of a target that counts


class GeometricAugmentation(Augmentation, abstract=True):
    """An augmentation that moves pixels. It moves targets that are images with the same random draws."""

    def augments_target(self, target):
        return target.rank >= 2

    def check_target(self, target):
        x = self.operands[0]
        if not all(map(same, target.shape[-2:], x.shape[-2:])):
            raise Reject(f"it moves the pixels of {x}, and the target is {spell_classes(target)}",
                         help="a target can be moved only if it is as large as the image: augment where the "
                              "sizes are the same, or not at all", code="E0513")  # fmt: skip

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


class RandomCrop(GeometricAugmentation):
    """In training a window of `h` rows and `w` columns of each image, at a uniform position, after `padding`
    zeros on each side of the image (torchvision `RandomCrop`).

    Targets that are images are cropped too, provided that the window is as large as the image. Their pixels
    from outside are ignored if their type has `ignore=`, else 0. At inference the centre window, as in `crop`
    (torch slicing, ONNX `Slice`).
    """

    h: Size = setting("rows of the window", Integer(1, symbolic=True))
    w: Size | None = setting(
        "columns of the window", OneOf(Integer(1, symbolic=True), Nothing()), None, shown="h"
    )
    padding: int = setting("zeros on each side of the image", Integer(0), 0)

    def window(self) -> tuple[Size, Size]:
        return self.h, self.h if self.w is None else self.w

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

    def misfit(self, x: Tensor, what: str, code: str) -> Reject:
        window = " x ".join(map(str, self.window()))
        return Reject(f"a window of {window} {what} into {x}", at="x", code=code,
                      help="at inference the centre is taken, without padding")  # fmt: skip

    def check_target(self, target):
        (x,), (result,) = self.operands, self.results
        if not self.keeps_size():
            height, width = x.shape[-2:]
            raise Reject(f"it crops {x} to {result}, and the target is {spell_classes(target)}", code="E0513",
                         help="targets keep their size: use a window of the same size, as in "
                              f"`random_crop({height}, {width}, padding=4)`")  # fmt: skip
        super().check_target(target)

    def inference(self) -> Operator:
        if self.keeps_size():
            return Identity()
        sizes = zip(self.operands[0].shape, self.results[0].shape, strict=True)
        starts = ((0 if same(size, want) else middle(size, want), want) for size, want in sizes)
        return Slice(entries=tuple((start, start + want, None) for start, want in starts))

    def keeps_size(self) -> bool:
        return all(map(same, self.operands[0].shape, self.results[0].shape))

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
            shape = [1] * (have.rank + 1)
            shape[0], shape[axis] = -1, F.size(want)
            x = F.take_along_dim(x, entries.to(F.int64).reshape(shape), axis)
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
        channels = x if have.rank == 3 else x.unsqueeze(1)
        channels = channels if have.element == "float" else channels.to(F.float32)
        cos, sin, zero = angle.cos(), angle.sin(), angle * 0
        down, across = (sin, sin) if same(*have.shape[-2:]) else (sin * height / width, sin * width / height)
        rows = [F.stack([cos, -down, zero], 1), F.stack([across, cos, zero], 1)]
        size = (x.shape[0], 1, height, width)
        grid = F.affine_grid(F.stack(rows, 1), size, False).type_as(channels)
        sampled = (grid, "bilinear" if smooth else "nearest", "zeros", False)
        if have.ignore:
            valid = torch_valid(F, x, have).reshape_as(channels)
            known = F.grid_sample(valid.type_as(channels), *sampled) > KNOWN
            moved = F.grid_sample(channels.where(valid, 0), *sampled).where(known, torch_ignored(F, have))
        else:
            moved = F.grid_sample(channels, *sampled)
        moved = moved if have.rank == 3 else moved.squeeze(1)
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
