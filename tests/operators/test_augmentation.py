"""Image augmentation, compared with torchvision's functions for the same draws."""

from __future__ import annotations

import math

import pytest
import torch
from forms import Functions, bind, run_torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from dlc.compiler.operators.augmentation import ColorJitter, RandomErase
from dlc.compiler.types import Tensor

F = Functions()


def images(count: int, *shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand((count, *shape), generator=torch.Generator().manual_seed(seed))


def drawn(operator, x: torch.Tensor, seed: int = 0):
    """The result of the operator for images, and its draws."""
    torch.manual_seed(seed)
    made = run_torch(operator, x)
    torch.manual_seed(seed)
    return made, operator.draws(F, x)


# --- erasing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 12, 9), (12, 9)])
def test_random_erase_equals_torchvision(shape):
    x = images(200, *shape)
    made, (chosen, *boxes) = drawn(bind(RandomErase(value=0.5), shape), x)
    for image, found, erased, *box in zip(x, made, chosen, *boxes, strict=True):
        top, left, tall, wide = (int(b) for b in box)
        wanted = tv.erase(image[None] if len(shape) == 2 else image, top, left, tall, wide, torch.tensor(0.5))
        assert torch.equal(found, wanted.reshape(shape) if erased else image)


def test_erased_boxes_have_the_distribution_of_torchvision():
    """The share of erased images, and the mean area, ratio and position of the boxes."""
    shape, x = (1, 32, 24), torch.zeros(2000, 1, 32, 24)
    _, (chosen, *boxes) = drawn(bind(RandomErase(p=0.3), shape), x)
    assert float(chosen.float().mean()) == pytest.approx(0.3, abs=0.03)
    top, left, tall, wide = (b[:, 0] for b in boxes)
    torch.manual_seed(0)
    transform = v2.RandomErasing(p=1)
    theirs = [transform.make_params([image]) for image in x]
    other = [torch.tensor([float(p[key]) for p in theirs]) for key in "ijhw"]
    for mine, wanted in zip((top, left, tall, wide), other, strict=True):
        assert float(mine.mean()) == pytest.approx(float(wanted.mean()), rel=0.06)
        assert float(mine.std()) == pytest.approx(float(wanted.std()), rel=0.06)


def test_the_image_is_unchanged_if_no_box_fits():
    x = images(50, 1, 2, 30)
    assert torch.equal(run_torch(bind(RandomErase(p=1, scale=(0.9, 1), ratio=(5, 6)), (1, 2, 30)), x), x)


# --- colours ----------------------------------------------------------------------------------------------


def jittered(image: torch.Tensor, factors) -> torch.Tensor:
    brightness, contrast, saturation, hue = (float(f) for f in factors)
    image = tv.adjust_contrast(tv.adjust_brightness(image, brightness), contrast)
    return tv.adjust_hue(tv.adjust_saturation(image, saturation), hue)


@pytest.mark.parametrize("channels", [1, 3])
def test_color_jitter_equals_torchvision(channels):
    x = images(50, channels, 6, 5)
    operator = bind(ColorJitter(brightness=0.5, contrast=0.6, saturation=0.7, hue=0.5), (channels, 6, 5))
    made, factors = drawn(operator, x)
    wanted = torch.stack([jittered(image, draw) for image, *draw in zip(x, *factors, strict=True)])
    torch.testing.assert_close(made, wanted, rtol=1e-4, atol=1e-5)


def test_color_jitter_of_bytes_equals_torchvision_except_for_rounding():
    x = (images(50, 3, 6, 5) * 255).to(torch.uint8)
    operator = ColorJitter(brightness=0.5, contrast=0.6, saturation=0.7).bind(Tensor("uint8", (3, 6, 5)))
    made, factors = drawn(operator, x)
    wanted = torch.stack([jittered(image, draw) for image, *draw in zip(x, *factors, strict=True)])
    assert made.dtype == torch.float32
    assert float((made - wanted).abs().max()) < 5  # torchvision rounds bytes down four times
    assert float(made.max()) == 255


def test_factors_are_uniform():
    operator = bind(ColorJitter(brightness=0.4, contrast=2, saturation=0, hue=0.25), (3, 2, 2))
    _, draws = drawn(operator, images(20000, 3, 2, 2))
    for draw, (low, high) in zip(draws, [(0.6, 1.4), (0, 3), (1, 1), (-0.25, 0.25)], strict=True):
        assert low <= float(draw.min()) <= float(draw.max()) <= high
        assert float(draw.mean()) == pytest.approx((low + high) / 2, abs=0.03)
        assert float(draw.std()) == pytest.approx((high - low) / math.sqrt(12), abs=0.01)


def test_jitter_by_zero_is_the_identity():
    x = images(5, 3, 4, 4)
    still = bind(ColorJitter(brightness=0, contrast=0, saturation=0, hue=0), (3, 4, 4))
    assert torch.equal(run_torch(still, x), x)
