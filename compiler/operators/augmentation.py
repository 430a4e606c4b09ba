"""Augmentation of images: drawn anew for every sample of a batch; at inference the identity.

An image has its space axes last: `[height, width]`, or with channels `[channels, height, width]`.
"""

from __future__ import annotations

from abc import abstractmethod
from math import log
from typing import Any

from dlc.compiler.definitions.parameter_types import ListOf, Number
from dlc.compiler.operators.activations import Identity
from dlc.compiler.operators.arithmetic import Cast
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import torch_cast
from dlc.compiler.operators.regularization import Stochastic
from dlc.compiler.operators.sliding_window import reshape_hint
from dlc.compiler.types import Tensor

ATTEMPTS = 10  # at a box that fits, as torchvision makes
LUMA = (0.2989, 0.587, 0.114)  # of red, green and blue, in the gray of a pixel


class Augmentation(Stochastic, abstract=True):
    """An operator on images: what it draws for every sample, and what it does with it."""

    batchless = False

    def type(self, x: Tensor) -> Tensor:
        if x.rank not in (2, 3):
            raise Reject(f"`{self.name}` needs an image, [height, width] or [channels, height, width], found "
                         f"{x}", at="x", help=reshape_hint(x) if x.rank < 2 else "")  # fmt: skip
        return x

    @abstractmethod
    def draws(self, F: Any, x: Any) -> tuple[Any, ...]:
        """Drawn tensors, each with the samples on axis 0."""
        raise NotImplementedError

    @abstractmethod
    def act(self, F: Any, x: Any, *draws: Any) -> Any:
        """`x` augmented by what was drawn."""
        raise NotImplementedError

    def torch(self, F, x):
        return self.act(F, x, *self.draws(F, x))


class WithTargets(Operator, abstract=True):
    """What stands in the place of an operator in training where targets follow it: see `with_targets`."""

    public = False
    training_only = True
    random = True
    takes = "any"


def behind(drawn: Any, rank: int) -> Any:
    """A number for each sample, with axes of size 1 for those of the sample."""
    return drawn.reshape(-1, *[1] * rank)


def check_range(given: tuple[float, ...], name: str) -> None:
    if len(given) != 2 or given[0] > given[1]:
        raise Reject(f"`{name}` takes the least and the greatest value, found {list(given)}",
                     at=name, code="E0404")  # fmt: skip


class RandomErase(Augmentation):
    """In training, with probability `p`, a rectangle of each image is set to `value`
    (torchvision `RandomErasing`).

    Its area, as a share of the image's, is uniform over `scale`, its height over its width log-uniform over
    `ratio`, its place uniform; where ten draws give none that fits, the image is kept (Zhong et al., Random
    Erasing Data Augmentation, 2017). At inference the identity.
    """

    p: float = setting("share of the images that lose a rectangle", Number(0, 1), 0.5)
    scale: tuple[float, ...] = setting("least and greatest area", ListOf(Number(0, 1)), (0.02, 0.33))
    ratio: tuple[float, ...] = setting(
        "least and greatest height over width", ListOf(Number(above=0)), (0.3, 3.3)
    )
    value: float = setting("what the rectangle holds", Number(), 0)

    def type(self, x: Tensor) -> Tensor:
        check_range(self.scale, "scale")
        check_range(self.ratio, "ratio")
        return super().type(x)

    def draws(self, F, x):
        height, width = map(F.size, self.operands[0].shape[-2:])
        (small, large), (low, high) = self.scale, map(log, self.ratio)
        area = (F.uniform(x, ATTEMPTS) * (large - small) + small) * height * width
        aspect = (F.uniform(x, ATTEMPTS) * (high - low) + low).exp()
        tall, wide = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
        fits = (tall < height) & (wide < width)
        first = fits.to(F.uint8).argmax(1, True)
        tall, wide = tall.gather(1, first), wide.gather(1, first)
        top = (F.uniform(x, 1) * (height - tall + 1)).floor()
        left = (F.uniform(x, 1) * (width - wide + 1)).floor()
        return (F.uniform(x, 1) < self.p) & fits.any(1, True), top, left, tall, wide

    def act(self, F, x, chosen, top, left, tall, wide):
        rank = self.operands[0].rank
        rows, columns = (F.places(x, F.size(size)) for size in self.operands[0].shape[-2:])
        rows = chosen & (rows >= top) & (rows < top + tall)
        columns = (columns >= left) & (columns < left + wide)
        inside = rows.unsqueeze(2) & columns.unsqueeze(1)
        return x.masked_fill(inside.unsqueeze(1) if rank == 3 else inside, self.value)

    examples = (
        Example("random_erase", "float[3, 8, 6]", "float[3, 8, 6]"),
        Example("random_erase(0.3)", "float[3, H, W]", "float[3, H, W]"),
        Example(
            "random_erase(p=1, scale=[0.1, 0.2], ratio=[0.5, 2], value=0.5)", "float[8, 6]", "float[8, 6]"
        ),
        Example("random_erase", "uint8[1, 8, 8]", "float[1, 8, 8]", low=0, high=255),
        Example("random_erase(scale=[0.3, 0.1])", "float[3, 8, 6]", rejects="E0404"),
        Example("random_erase(ratio=1)", "float[3, 8, 6]", rejects="E0404"),
        Example("random_erase(1.5)", "float[3, 8, 6]", rejects="E0403"),
        Example("random_erase", "float[64]", rejects="E0201"),
    )


class ColorJitter(Augmentation):
    """In training the brightness, the contrast, the saturation and the hue of each image are changed, in this
    order (torchvision `ColorJitter`).

    For each setting `s`, the factors of the first three are uniform over [max(0, 1 - s), 1 + s], and the
    share of the circle that the hue is turned by over [-s, s]. A `uint8` image is taken to hold 0 to 255, a
    float one 0 to 1, as after `image / 255`; results are kept in that range. Images have 1 or 3 channels;
    gray ones have no saturation and no hue. At inference the identity.
    """

    takes = "any"
    brightness: float = setting("how far the factor of the brightness is from 1, at most", Number(0), 0.2)
    contrast: float = setting("how far the factor of the contrast is from 1, at most", Number(0), 0.2)
    saturation: float = setting("how far the factor of the saturation is from 1, at most", Number(0), 0.2)
    hue: float = setting("how far the hue is turned at most, as a share of the circle", Number(0, 0.5), 0)

    def type(self, x: Tensor) -> Tensor:
        super().type(x)
        if x.element not in ("uint8", "float"):
            raise Reject(
                f"`color_jitter` takes a uint8 image of 0 to 255 or a float one of 0 to 1, found {x}", at="x"
            )
        if x.rank == 3 and x.shape[0] not in (1, 3):
            raise Reject(
                f"`color_jitter` takes images of 1 or 3 channels, which stand on axis 0, found {x}", at="x"
            )
        return x.with_element("float")

    def inference(self) -> Operator:
        return Identity() if self.operands[0].element == "float" else Cast(to="float")

    @property
    def colored(self) -> bool:
        return self.operands[0].rank == 3 and self.operands[0].shape[0] == 3

    def draws(self, F, x):
        settings = (self.brightness, self.contrast, self.saturation)
        factors = [F.uniform(x) * (1 + s - max(0, 1 - s)) + max(0, 1 - s) for s in settings]
        return (*factors, (F.uniform(x) * 2 - 1) * self.hue)

    def act(self, F, x, brightness, contrast, saturation, hue):
        rank = self.operands[0].rank
        most = 255 if self.operands[0].element == "uint8" else 1
        x = torch_cast(F, x, self.operands[0].element, "float")
        if self.brightness:
            x = (x * behind(brightness, rank)).clamp(0, most)
        if self.contrast:
            mean = self.gray(x).mean([*range(1, rank + 1)], True)
            x = (mean + (x - mean) * behind(contrast, rank)).clamp(0, most)
        if self.saturation and self.colored:
            gray = self.gray(x)
            x = (gray + (x - gray) * behind(saturation, rank)).clamp(0, most)
        return turned(F, x, behind(hue, 2)) if self.hue and self.colored else x

    def gray(self, x: Any) -> Any:
        if not self.colored:
            return x
        return (x * x.new_tensor(LUMA).reshape(3, 1, 1)).sum(1, True)

    examples = (
        Example("color_jitter", "float[3, 8, 6]", "float[3, 8, 6]", low=0, high=1),
        Example("color_jitter(0.5, 0.4, 0.3, 0.1)", "float[3, H, W]", "float[3, H, W]", low=0, high=1),
        Example("color_jitter(brightness=0, contrast=0.1, saturation=0, hue=0.5)", "uint8[3, 8, 6]",
                "float[3, 8, 6]", low=0, high=255),
        Example("color_jitter", "float[1, 8, 6]", "float[1, 8, 6]", low=0, high=1),
        Example("color_jitter", "float[8, W]", "float[8, W]", low=0, high=1),
        Example("color_jitter", "float[4, 8, 6]", rejects="E0201"),
        Example("color_jitter", "int64[3, 8, 6]", rejects="E0201"),
        Example("color_jitter(hue=0.6)", "float[3, 8, 6]", rejects="E0403"),
        Example("color_jitter", "float[192]", rejects="E0201"),
    )  # fmt: skip


def turned(F: Any, x: Any, by: Any) -> Any:
    """Colours whose hue, in HSV, is turned by a share of the circle."""
    red, green, blue = x.unbind(1)
    value = x.amax(1)
    chroma = value - x.amin(1)
    some = F.where(chroma == 0, 1, chroma)
    sector = F.where(value == green, (blue - red) / some + 2, (red - green) / some + 4)
    sector = F.where(value == red, (green - blue) / some, sector) + 6 * by
    steps = [(n + sector) % 6 for n in (5, 3, 1)]
    return F.stack([value - chroma * F.minimum(k, 4 - k).clamp(0, 1) for k in steps], 1)
