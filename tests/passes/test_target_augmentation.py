"""Augmentation of targets: which targets are augmented, by the same draws, and the errors."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from legal import legal

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import specialize
from dlc.runtime.data import Dataset, InMemoryRows
from dlc.runtime.training.loop import train

MOVES = (
    "random_flip -> random_flip(axis=-2) -> random_rotate(40) -> random_crop(8, padding=2) "
    "-> random_resized_crop(8, scale=[0.3, 1])"
)


def training(p):
    return specialize.training(p, p.objective)


def program(text: str):
    return legal(compile(Source("m.dl", text)))


def loss(text: str, **fields: torch.Tensor) -> float:
    """The loss of a step, in the training form."""
    p = program(text)
    torch.manual_seed(0)
    model = Model(training(p), p.graph.weights, draw(p.graph, 0))
    return float(model(fields)["loss"])


def squares(count: int = 6, *channels: int) -> torch.Tensor:
    return torch.rand((count, *channels, 8, 8), generator=torch.Generator().manual_seed(0))


def copying(loss: str, moves: str = MOVES, flow: str = "", type: str = "float[1, 8, 8]") -> str:
    """A model that answers with its image, augmented in training."""
    return f"""
input image: float[1, 8, 8]
output copy: {type}
{flow}
image -> {moves} -> copy
train {{
  loss = {loss}
}}
"""


# --- augmented targets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("moves", [*MOVES.split(" -> "), MOVES])
def test_a_mask_equal_to_its_image_stays_equal_after_each_augmentation(moves):
    x = squares(6, 1)
    assert loss(copying("mse(copy)", moves), image=x, copy=x) == 0
    assert (
        loss(copying("mse(copy, image)", moves), image=x) > 0.01
    )  # compared with the input, which is not augmented


def test_values_computed_from_a_target_are_augmented_too():
    x = squares(6, 1)
    spec = copying(
        "mean(square(2 * copy - double)) + mse(0.5 * double, copy)", flow="double = 2 * copy.target"
    )
    assert loss(spec, image=x, copy=x) == 0


def test_a_boolean_mask_stays_boolean():
    """Floats are interpolated; booleans take the nearest value."""
    for type, smooth in (("float[1, 8, 8]", True), ("binary[1, 8, 8]", False)):
        graph = training(program(copying("mse(copy, copy.target)", "random_rotate(9)", type=type)))
        assert [n.operator.smooth for n in graph.nodes if n.operator.name == "followed"] == [(smooth,)]
    x = (squares(6, 1) > 0.5).float()
    wanted = float(torch.nn.functional.binary_cross_entropy_with_logits(x, x))
    spec = copying("bce(copy)", "random_flip", type="binary[1, 8, 8]")
    assert loss(spec, image=x, copy=x) == pytest.approx(wanted, rel=1e-5)


def test_targets_of_two_outputs_are_augmented_by_the_same_draws():
    x = squares(6, 1)
    spec = """
input image: float[1, 8, 8]
output copy: float[1, 8, 8]
output other: float[8, 8]
output label: class(3)
moved = image -> random_flip -> random_rotate(30)
moved -> copy
moved[0] -> other
moved -> flatten -> dense(3) -> label
"""
    graph = training(program(f"{spec}train {{\n loss = mse(copy) + mse(other) + cross_entropy(label)\n}}"))
    read = [[v.name for v in n.operands] for n in graph.nodes if n.operator.name == "followed"]
    assert [names[1:] for names in read] == [
        ["copy.target", "other.target"],
        ["copy.random_flip", "other.random_flip"],
    ]
    both = f"{spec}train {{\n loss = mse(copy) + mse(other)\n}}"
    assert loss(both, image=x, copy=x, other=x[:, 0]) == 0


def test_color_noise_and_erasing_do_not_change_targets():
    spec = copying("mse(copy)", "gaussian_noise(0.1) -> color_jitter -> random_erase")
    graph = training(program(spec))
    assert [v.name for v in graph.nodes[-1].operands] == ["random_erase", "copy.target"]


def test_validation_and_the_artifact_are_not_augmented():
    p = program(copying("mse(copy)"))
    for graph in (specialize.inference(p), specialize.validation(p)):
        assert not [n for n in graph.nodes if n.operator.random]


# --- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flow", "code"),
    [
        ("image -> random_crop(6) -> pad(1, 1, axis=1) -> pad(1, 1, axis=2) -> copy", "E0513"),
        ("image + (image -> random_flip) -> copy", "E0514"),
        ("(image -> random_flip) + (image -> random_flip) -> copy", "E0514"),
        ("(image + copy.target) / 2 -> random_flip -> copy", "E0514"),
    ],
)
def test_errors_are_reported_by_check(flow, code):
    text = copying("mse(copy)").replace(f"image -> {MOVES} -> copy", flow)
    with pytest.raises(CompileError) as caught:
        compile(Source("m.dl", text))
    assert code in [d.code for d in caught.value.diagnostics]


def test_the_target_of_a_jointly_flipped_pair_is_not_augmented():
    spec = """
input image: float[1, 8, 8]
output copy: float[1, 8, 8]
pair = (image, copy.target) -> concat(axis=0) -> random_flip
image -> copy
train { loss = mse(pair[0:1], pair[1:2]) }
"""
    x = squares(6, 1)
    assert loss(spec, image=x, copy=x) == 0
    assert not [n for n in training(program(spec)).nodes if n.operator.name == "followed"]


# --- random specs -----------------------------------------------------------------------------------------


def any_flow(rng: random.Random) -> str:
    """Augmented images, doubled and added; outputs are divided by their multiple of the image."""
    lines, values = [], [("image", 1)]
    for number in range(rng.randint(1, 6)):
        (value, times), (other, more) = rng.choice(values[-2:]), rng.choice(values)
        how = [
            (f"{value} -> {rng.choice(MOVES.split(' -> '))}", times),
            (f"{value} + {other}", times + more),
            (f"2 * {other}", 2 * more),
        ]
        flow, times = rng.choices(how, (3, 1, 1))[0]
        lines.append(f"v{number} = {flow}")
        values.append((f"v{number}", times))
    (first, times), (second, more) = rng.choice(values[-3:]), rng.choice(values[-3:])
    return "\n".join([*lines, f"{first} / {times} -> copy", f"{second}[0] / {more} -> other"])


def test_targets_of_accepted_random_specs_are_augmented():
    """An image and its copy stay equal, or the flow is rejected."""
    accepted, x = 0, squares(3, 1)
    losses = ("mse(copy)", "mse(copy) + mse(other)", "mse(other, copy.target[0])", "mae(2 * copy, twice)")
    for seed in range(100):
        rng = random.Random(seed)
        head = "input image: float[1, 8, 8]\noutput copy: float[1, 8, 8]\noutput other: float[8, 8]"
        text = (
            f"{head}\ntwice = 2 * copy.target\n{any_flow(rng)}\ntrain {{\n loss = {rng.choice(losses)}\n}}\n"
        )
        try:
            compile(Source("m.dl", text))
        except CompileError as error:
            assert {d.code for d in error.diagnostics} == {"E0514"}, text
            continue
        accepted += 1
        assert loss(text, image=x, copy=x, other=x[:, 0]) < 1e-6, text
    assert 60 < accepted < 100


# --- training ---------------------------------------------------------------------------------------------


def test_training_on_flipped_images_with_asymmetric_masks_succeeds():
    """The class depends on the position, so that a mask that is not flipped gives no information."""
    spec = """
input image: float[1, 8, 8]
output mask: class(2)[8, 8]
image -> random_flip -> random_flip(axis=-2) -> random_crop(8, padding=1) -> conv(2, 1) -> mask
train { optimizer = adam(lr=0.1)
 batch = 32
 epochs = 12 }
"""
    x = squares(256, 1)
    rows = InMemoryRows({"image": x.numpy(), "mask": (x[:, 0] > 0.5).numpy().astype(np.int64)}, len(x))
    p = program(spec)
    trained = train(p, Dataset(rows, rows, None), draw(p.graph, 0), on="cpu")
    assert trained.figures["validation"]["accuracy"] > 0.95
