"""Flips, crops and rotations, compared with torchvision's functions for the same draws; and their targets."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from forms import Functions, at_inference, bind, run_onnx, run_torch
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as tv

from dlc.compiler.operators.geometric_augmentation import (
    Followed,
    GeometricAugmentation,
    RandomCrop,
    RandomFlip,
    RandomResizedCrop,
    RandomRotate,
)
from dlc.compiler.types import Tensor

SHAPES = [(3, 12, 9), (12, 9)]
FLIP, UP, CROP, TURN, ZOOM = (
    RandomFlip(),
    RandomFlip(axis=0),
    RandomCrop(h=12, w=9, padding=3),
    RandomRotate(degrees=60),
    RandomResizedCrop(h=12, w=9, scale=(0.2, 0.8)),
)


def images(count: int, *shape: int) -> torch.Tensor:
    return torch.rand((count, *shape), generator=torch.Generator().manual_seed(0))


def drawn(operator: GeometricAugmentation, x: torch.Tensor):
    """The result of the operator for images, and its draws."""
    torch.manual_seed(1)
    made = run_torch(operator, x)
    torch.manual_seed(1)
    return made, zip(*(d.tolist() for d in operator.draws(Functions(), x)), strict=True)


# --- one image --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("axis", "flip"), [(-1, tv.horizontal_flip), (-2, tv.vertical_flip)])
def test_random_flip_equals_torchvision(shape, axis, flip):
    x = images(40, *shape)
    made, draws = drawn(bind(RandomFlip(axis=axis), shape), x)
    for image, found, (chosen,) in zip(x, made, draws, strict=True):
        assert torch.equal(found, flip(image) if chosen else image)


def test_a_share_of_the_images_is_flipped():
    _, draws = drawn(bind(RandomFlip(p=0.2), (2, 2)), images(20000, 2, 2))
    assert np.mean(list(draws)) == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "operator", [RandomCrop(h=5), RandomCrop(h=7, w=9), RandomCrop(h=12, w=9, padding=3)]
)
def test_random_crop_equals_torchvision(shape, operator):
    x = images(40, *shape)
    made, draws = drawn(bind(operator, shape), x)
    for image, found, (top, left) in zip(x, made, draws, strict=True):
        padded = tv.pad(image.reshape(-1, 12, 9), [operator.padding])
        wanted = tv.crop(padded, int(top), int(left), operator.h, operator.w or operator.h)
        assert torch.equal(found, wanted.reshape(found.shape))


def test_crop_windows_are_uniformly_distributed():
    _, draws = drawn(bind(RandomCrop(h=2, w=4, padding=1), (3, 4)), images(20000, 3, 4))
    top, left = np.array(list(draws)).T
    assert np.bincount(top.astype(int)) / 20000 == pytest.approx([1 / 4] * 4, abs=0.01)
    assert np.bincount(left.astype(int)) / 20000 == pytest.approx([1 / 3] * 3, abs=0.01)


@pytest.mark.parametrize("shape", [(3, 12, 8), (11, 8), (1, 7, 10), (1, 4, 6)])
def test_at_inference_the_window_is_in_the_centre(shape):
    x = images(4, *shape).numpy()
    operator = at_inference(bind(RandomCrop(h=4, w=5, padding=1), shape))
    wanted = tv.center_crop(torch.from_numpy(x), [4, 5]).numpy()
    assert np.array_equal(run_torch(operator, x), wanted)
    assert np.array_equal(run_onnx(operator, x), wanted)


@pytest.mark.parametrize(("h", "w"), [(12, 9), (5, 7), (20, 6)])
def test_random_resized_crop_equals_torchvision(h, w):
    x = images(40, 3, 12, 9)
    made, draws = drawn(bind(RandomResizedCrop(h=h, w=w), (3, 12, 9)), x)
    for image, found, box in zip(x, made, draws, strict=True):
        top, left, tall, wide = (int(n) for (n,) in box)
        wanted = tv.resized_crop(image, top, left, tall, wide, [h, w], antialias=True)
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 32, 24), (1, 40, 10), (1, 7, 30), (1, 3, 4)])
@pytest.mark.parametrize("scale", [(0.08, 1), (0.9, 1)])
def test_resized_windows_have_the_distribution_of_torchvision(shape, scale):
    """The mean and the deviation of position and size; few draws fit into long images."""
    operator = bind(RandomResizedCrop(h=4, scale=scale), shape)
    _, draws = drawn(operator, torch.zeros(3000, *shape))
    transform, one = v2.RandomResizedCrop(4, scale=scale), torch.zeros(shape)
    torch.manual_seed(0)
    theirs = [[float(p[key]) for key in ("top", "left", "height", "width")]
              for p in (transform.make_params([one]) for _ in range(3000))]  # fmt: skip
    mine, theirs = np.array(list(draws))[:, :, 0], np.array(theirs)
    largest = np.array([*shape[1:], *shape[1:]])
    assert mine.min() >= 0
    assert (mine[:, :2] + mine[:, 2:]).max(0).tolist() <= list(shape[1:])
    assert np.abs(mine.mean(0) - theirs.mean(0)).max() < 0.02 * largest.max()
    assert np.abs(mine.std(0) - theirs.std(0)).max() < 0.02 * largest.max()


def test_a_window_of_the_best_shape_in_the_centre_is_the_last_resort():
    """A long image has no window of such a shape with its whole area, whatever is drawn."""
    for shape, wanted in (((1, 40, 10), (13, 0, 13, 10)), ((1, 10, 41), (0, 14, 10, 13))):
        operator = bind(RandomResizedCrop(h=4, scale=(1, 1)), shape)
        _, draws = drawn(operator, torch.zeros(50, *shape))
        assert {tuple(int(n) for (n,) in box) for box in draws} == {wanted}


@pytest.mark.parametrize("shape", [(3, 12, 9), (1, 5, 30), (2, 4, 4)])
def test_at_inference_the_whole_image_is_resized(shape):
    x = images(4, *shape)
    operator = at_inference(bind(RandomResizedCrop(h=4, w=5), shape))
    assert torch.equal(run_torch(operator, x), tv.resize(x, [4, 5], antialias=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_random_rotate_equals_torchvision(shape):
    x = images(20, *shape)
    made, draws = drawn(bind(TURN, shape), x)
    for image, found, (angle,) in zip(x, made, draws, strict=True):
        channels = image if image.dim() == 3 else image[None]
        wanted = tv.rotate(channels, math.degrees(angle), InterpolationMode.BILINEAR)
        torch.testing.assert_close(found, wanted.reshape(shape), rtol=1e-4, atol=1e-5)


def test_angles_are_uniform():
    _, draws = drawn(bind(RandomRotate(degrees=30), (2, 2)), images(20000, 2, 2))
    degrees = np.degrees(np.array(list(draws)))
    assert -30 <= degrees.min() < -29 < 29 < degrees.max() <= 30
    assert degrees.std() == pytest.approx(60 / math.sqrt(12), abs=0.2)


# --- targets ----------------------------------------------------------------------------------------------


def followed(motion: GeometricAugmentation, x: torch.Tensor, *targets: tuple[str, torch.Tensor, bool]):
    types = [Tensor(element, tuple(t.shape[1:])) for element, t, _ in targets]
    first = Tensor("float", tuple(x.shape[1:]))
    operator = Followed(motion=motion.bind(first), smooth=tuple(s for *_, s in targets)).bind(first, *types)
    torch.manual_seed(2)
    return run_torch(operator, x, *(t for _, t, _ in targets))


@pytest.mark.parametrize("element", ["class", "bool", "uint8"])
def test_a_target_that_is_not_a_float_is_resized_to_the_nearest_value(element):
    labels = torch.randint(0, 2, (30, 12, 9))
    labels = labels.to(getattr(torch, "int64" if element == "class" else element))
    x = images(30, 3, 12, 9)
    _, found = followed(ZOOM, x, (element, labels, False))
    torch.manual_seed(2)
    draws = zip(
        *(d.tolist() for d in ZOOM.bind(Tensor("float", (3, 12, 9))).draws(Functions(), x)), strict=True
    )
    assert found.dtype == labels.dtype
    for label, made, box in zip(labels, found, draws, strict=True):
        top, left, tall, wide = (int(n) for (n,) in box)
        rows, columns = (torch.arange(12) * tall // 12 + top), (torch.arange(9) * wide // 9 + left)
        assert torch.equal(made, label[rows][:, columns])


@pytest.mark.parametrize("motion", [FLIP, UP, CROP, TURN], ids=repr)
def test_a_target_is_moved_like_the_image(motion):
    x = images(30, 12, 9)

    made, again, stacked = followed(motion, x, ("float", x, True), ("float", x.unsqueeze(1), True))
    assert torch.equal(made, again)
    assert torch.equal(made, stacked[:, 0])
    assert not torch.equal(made, x)


def test_a_float_target_is_resized_like_the_image():
    x = images(30, 3, 12, 9)
    made, again, one = followed(ZOOM, x, ("float", x, True), ("float", x[:, 0], True))
    assert torch.equal(made, again)
    torch.testing.assert_close(one, made[:, 0])
    assert not torch.equal(made, x)


@pytest.mark.parametrize("motion", [FLIP, UP, CROP], ids=repr)
@pytest.mark.parametrize("element", ["class", "bool", "uint8"])
def test_a_target_of_any_element_is_moved_without_mixing_values(motion, element):
    x = images(30, 12, 9)
    bright = (x > 0.5).to(torch.int64 if element == "class" else getattr(torch, element))
    made, found = followed(motion, x, (element, bright, False))
    assert found.dtype == bright.dtype
    assert torch.equal(found, (made > 0.5).to(bright.dtype))


@pytest.mark.parametrize("element", ["class", "bool", "uint8"])
def test_a_target_that_is_not_a_float_takes_the_nearest_value(element):
    labels = torch.randint(0, 2, (30, 12, 9))
    labels = labels.to(getattr(torch, "int64" if element == "class" else element))
    _, found = followed(TURN, images(30, 3, 12, 9), (element, labels, False))
    torch.manual_seed(2)
    (angles,) = TURN.bind(Tensor("float", (3, 12, 9))).draws(Functions(), images(30, 3, 12, 9))
    assert found.dtype == labels.dtype
    for label, made, angle in zip(labels, found, angles, strict=True):
        wanted = tv.rotate(label[None].to(torch.uint8), math.degrees(float(angle)))[0]
        assert float((made != wanted).float().mean()) < 0.02  # a position may be halfway between two pixels


def test_crops_of_a_smaller_window_crop_targets_too():
    x = images(10, 8, 8)
    made, target = followed(RandomCrop(h=5), x, ("float", x, True))
    assert made.shape == (10, 5, 5)
    assert torch.equal(made, target)


def test_draws_are_repeated_under_a_seed():
    x = images(10, 3, 12, 9)
    for transform in (FLIP, CROP, TURN, ZOOM):
        operator = bind(transform, (3, 12, 9))
        made = [drawn(operator, x)[0] for _ in range(2)]
        assert torch.equal(*made)
