"""Image augmentation. Random numbers are drawn for each sample of a batch; at inference it is the identity.

The space axes of an image are last: `[height, width]`, or with channels `[channels, height, width]`.
"""

from __future__ import annotations

from abc import abstractmethod
from math import log
from typing import Any

from dlc.compiler.definitions.parameter_types import ListOf, Number
from dlc.compiler.dims.dim import same
from dlc.compiler.operators.activations import Identity
from dlc.compiler.operators.arithmetic import Cast
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import spell_classes, torch_cast
from dlc.compiler.operators.padding import APART
from dlc.compiler.operators.regularization import Stochastic
from dlc.compiler.operators.sliding_window import reshape_hint
from dlc.compiler.types import Tensor

ATTEMPTS = 10  # number of draws for a box that fits, as in torchvision
LUMA = (0.2989, 0.587, 0.114)  # weights of red, green and blue in the gray value of a pixel


class Augmentation(Stochastic, abstract=True):
    """An operator on images that draws random numbers for each sample and applies them."""

    batchless = False

    def type(self, x: Tensor) -> Tensor:
        need_pixels(x, self.name)
        return x

    def padding_of(self, place, axis):
        if axis < self.operands[0].rank - 2:
            return APART
        raise Reject(f"`{self.name}` draws from the whole image, with its padding", at=place,
                     help="`resize` gives all images the same size")  # fmt: skip

    @abstractmethod
    def draws(self, F: Any, x: Any) -> tuple[Any, ...]:
        """The drawn tensors, each with the samples on axis 0."""
        raise NotImplementedError

    @abstractmethod
    def act(self, F: Any, x: Any, *draws: Any) -> Any:
        """`x` augmented with the drawn tensors."""
        raise NotImplementedError

    def torch(self, F, x):
        return self.act(F, x, *self.draws(F, x))


class WithTargets(Operator, abstract=True):
    """The replacement of an augmentation in training that augments targets too: see `with_targets`."""

    public = False
    training_only = True
    random = True
    takes = "any"

    def with_ignored(self, results):
        return results  # as its targets have them


def need_pixels(x: Tensor, what: str) -> None:
    if x.rank not in (2, 3):
        raise Reject(f"`{what}` needs an image, [height, width] or [channels, height, width], found {x}",
                     at="x", help=reshape_hint(x) if x.rank < 2 else "")  # fmt: skip


def check_moved(target: Tensor, x: Tensor) -> None:
    """Reject a target whose pixels cannot move with those of the image `x`."""
    if not all(map(same, target.shape[-2:], x.shape[-2:])):
        raise Reject(f"it moves the pixels of {x}, and the target is {spell_classes(target)}", code="E0513",
                     help="a target can be moved only if it is as large as the image: augment where the "
                          "sizes are the same, or not at all")  # fmt: skip


def per_sample(drawn: Any, rank: int) -> Any:
    """One number per sample, with axes of size 1 in place of the sample's axes."""
    return drawn.reshape(-1, *[1] * rank)


def check_range(given: tuple[float, ...], name: str) -> None:
    if len(given) != 2 or given[0] > given[1]:
        raise Reject(f"`{name}` takes the minimum and the maximum, found {list(given)}",
                     at=name, code="E0404")  # fmt: skip


def draw_sizes(
    F: Any, x: Any, have: Tensor, scale: tuple[float, ...], ratio: tuple[float, ...]
) -> tuple[Any, Any]:
    """The rows and columns of boxes, several per sample. Their area, as a share of the image, is uniform over
    `scale`; their height divided by their width is log-uniform over `ratio`."""
    height, width = map(F.size, have.shape[-2:])
    (small, large), (low, high) = scale, map(log, ratio)
    area = (F.uniform(x, ATTEMPTS) * (large - small) + small) * height * width
    aspect = (F.uniform(x, ATTEMPTS) * (high - low) + low).exp()
    return (area * aspect).sqrt().round(), (area / aspect).sqrt().round()


def draw_place(F: Any, x: Any, have: Tensor, tall: Any, wide: Any) -> tuple[Any, Any]:
    """The first row and column of a box in each image, at a uniform position."""
    height, width = map(F.size, have.shape[-2:])
    top = (F.uniform(x, 1) * (height - tall + 1)).floor()
    return top, (F.uniform(x, 1) * (width - wide + 1)).floor()


class RandomErase(Augmentation):
    """In training, with probability `p`, a rectangle of each image is set to `value`
    (torchvision `RandomErasing`).

    Its area, as a share of the image, is uniform over `scale`; its height divided by its width is log-uniform
    over `ratio`; its position is uniform. The image is unchanged if none of ten draws fits (Zhong et al.,
    Random Erasing Data Augmentation, 2017). At inference the identity.
    """

    p: float = setting("share of the images in which a rectangle is erased", Number(0, 1), 0.5)
    scale: tuple[float, ...] = setting("minimum and maximum area", ListOf(Number(0, 1)), (0.02, 0.33))
    ratio: tuple[float, ...] = setting(
        "minimum and maximum of height divided by width", ListOf(Number(above=0)), (0.3, 3.3)
    )
    value: float = setting("value of the pixels in the rectangle", Number(), 0)

    def type(self, x: Tensor) -> Tensor:
        check_range(self.scale, "scale")
        check_range(self.ratio, "ratio")
        return super().type(x)

    def draws(self, F, x):
        height, width = map(F.size, self.operands[0].shape[-2:])
        tall, wide = draw_sizes(F, x, self.operands[0], self.scale, self.ratio)
        fits = (tall < height) & (wide < width)
        first = fits.to(F.uint8).argmax(1, True)
        tall, wide = tall.gather(1, first), wide.gather(1, first)
        top, left = draw_place(F, x, self.operands[0], tall, wide)
        return (F.uniform(x, 1) < self.p) & fits.any(1, True), top, left, tall, wide

    def act(self, F, x, chosen, top, left, tall, wide):
        rank = self.operands[0].rank
        rows, columns = (F.indices(x, F.size(size)) for size in self.operands[0].shape[-2:])
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

    For each setting `s`, the factors of the first three are uniform over [max(0, 1 - s), 1 + s]. The hue is
    rotated by a share of the circle that is uniform over [-s, s]. A `uint8` image has values from 0 to 255, a
    float image values from 0 to 1, as after `image / 255`; results are clipped to that range. Images have 1
    or 3 channels; gray images have no saturation and no hue. At inference the identity.
    """

    takes = "any"
    brightness: float = setting("maximum distance of the brightness factor from 1", Number(0), 0.2)
    contrast: float = setting("maximum distance of the contrast factor from 1", Number(0), 0.2)
    saturation: float = setting("maximum distance of the saturation factor from 1", Number(0), 0.2)
    hue: float = setting("maximum rotation of the hue, as a share of the circle", Number(0, 0.5), 0)

    def type(self, x: Tensor) -> Tensor:
        super().type(x)
        if x.element not in ("uint8", "float"):
            raise Reject(
                f"`color_jitter` takes uint8 images (0 to 255) or float images (0 to 1), found {x}", at="x"
            )
        if x.rank == 3 and x.shape[0] not in (1, 3):
            raise Reject(f"`color_jitter` takes images with 1 or 3 channels on axis 0, found {x}", at="x")
        return x.with_element("float")

    def padding_of(self, place, axis):
        return super().padding_of(place, axis) if self.contrast else APART

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
        maximum = 255 if self.operands[0].element == "uint8" else 1
        x = torch_cast(F, x, self.operands[0].element, "float")
        if self.brightness:
            x = (x * per_sample(brightness, rank)).clamp(0, maximum)
        if self.contrast:
            mean = self.gray(x).mean([*range(1, rank + 1)], True)
            x = (mean + (x - mean) * per_sample(contrast, rank)).clamp(0, maximum)
        if self.saturation and self.colored:
            gray = self.gray(x)
            x = (gray + (x - gray) * per_sample(saturation, rank)).clamp(0, maximum)
        return rotate_hue(F, x, per_sample(hue, 2)) if self.hue and self.colored else x

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


def rotate_hue(F: Any, x: Any, by: Any) -> Any:
    """RGB images with their HSV hue rotated by a share of the circle."""
    red, green, blue = x.unbind(1)
    value = x.amax(1)
    chroma = value - x.amin(1)
    some = F.where(chroma == 0, 1, chroma)
    sector = F.where(value == green, (blue - red) / some + 2, (red - green) / some + 4)
    sector = F.where(value == red, (green - blue) / some, sector) + 6 * by
    steps = [(n + sector) % 6 for n in (5, 3, 1)]
    return F.stack([value - chroma * F.minimum(k, 4 - k).clamp(0, 1) for k in steps], 1)
