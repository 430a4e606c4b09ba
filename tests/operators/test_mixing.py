"""Mixup and CutMix: samples and losses are mixed by the same share and with the same partners, for all
losses."""

from __future__ import annotations

import pytest
import torch
from forms import Functions, bind, run_torch
from legal import legal
from torch.nn import functional
from torchvision.transforms import v2

import dlc
from dlc.compiler import CompileError, Source, compile
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.torch import Model
from dlc.compiler.operators.mixing import Cutmix, Mixing, Mixup
from dlc.compiler.passes import specialize

HEAD = """
input x: float[1, 4, 4]
output label: class(3)
output yes: binary
output copy: float[1, 4, 4]
output other: float
"""
X = torch.rand((7, 1, 4, 4), generator=torch.Generator().manual_seed(0))
MIXUP, CUTMIX = Mixup(alpha=0.5), Cutmix(alpha=5)
LABEL, YES, OTHER = torch.tensor([0, 1, 2, 0, 1, 2, 0]), torch.tensor([0.0, 1, 1, 0, 0, 1, 0]), torch.rand(7)


def step(text: str, loss: str, mixing: Mixing = MIXUP, **more: torch.Tensor):
    """The results of the training form, its weights, and the share and the partners that it draws first."""
    p = legal(compile(Source("m.dl", f"{HEAD}{text}\ntrain {{\n loss = {loss}\n regularize = l2(0.1)\n}}\n")))
    graph = specialize.training(p, p.objective)
    model = Model(graph, p.graph.weights, draw(p.graph, 0))
    torch.manual_seed(3)
    made = model({"x": X, "label": LABEL, "yes": YES, "copy": X, "other": OTHER} | more)
    torch.manual_seed(3)
    draws = bind(mixing, (1, 4, 4)).draws(Functions(), X)
    return made, dict(model.named_parameters()), *draws


FLOW = """
mixed = x -> mixup(0.5)
mixed -> flatten -> dense(3) -> label
mixed -> flatten -> dense(1) -> yes
mixed -> copy
x -> flatten -> dense(1) -> other
"""


def scores(weights, name: str, x: torch.Tensor) -> torch.Tensor:
    return functional.linear(x.flatten(1), weights[f"{name}.weight"], weights[f"{name}.bias"])


def test_cross_entropy_equals_that_of_mixed_one_hot_targets():
    made, weights, share, partner = step(FLOW, "cross_entropy(label)")
    mixed = share * X + (1 - share) * X[partner]
    one_hot = functional.one_hot(LABEL, 3).float()
    soft = share * one_hot + (1 - share) * one_hot[partner]
    wanted = functional.cross_entropy(scores(weights, "dense", mixed), soft)
    torch.testing.assert_close(made["loss"], wanted)
    squares = sum((w**2).sum() for name, w in weights.items() if name.endswith("weight"))
    torch.testing.assert_close(made["objective"], wanted + 0.1 * squares)  # each layer counts once


def test_bce_equals_that_of_mixed_targets():
    made, weights, share, partner = step(FLOW, "bce(yes)")
    mixed = share * X + (1 - share) * X[partner]
    wanted = functional.binary_cross_entropy_with_logits(
        scores(weights, "dense_2", mixed)[:, 0], share * YES + (1 - share) * YES[partner]
    )
    torch.testing.assert_close(made["loss"], wanted)


def test_any_loss_is_mixed_and_other_terms_count_once():
    made, weights, share, partner = step(
        FLOW, "mae(copy) + 0.5 * mean(abs(copy - 2 * copy.target)) + mse(other)"
    )
    mixed = share * X + (1 - share) * X[partner]

    def mse_of(target):
        return (mixed - target).abs().mean() + 0.5 * (mixed - 2 * target).abs().mean()

    other = functional.mse_loss(scores(weights, "dense_3", X)[:, 0], OTHER)
    torch.testing.assert_close(made["loss"], share * mse_of(X) + (1 - share) * mse_of(X[partner]) + other)


def test_both_targets_are_moved_with_the_mixed_image():
    flow = FLOW.replace("mixup(0.5)", "mixup(0.5) -> random_flip -> random_flip(axis=-2)")
    made, _, share, partner = step(flow, "mse(copy)")
    torch.testing.assert_close(made["loss"], share * (1 - share) * functional.mse_loss(X, X[partner]))


def test_images_are_mixed_after_moving():
    flow = FLOW.replace("mixup(0.5)", "random_flip(1) -> mixup(0.5)").replace("x -> flatten", "flatten(x)")
    made, _, *_ = step(flow, "mse(copy)")
    p = compile(Source("m.dl", f"{HEAD}{flow}\ntrain {{\n loss = mse(copy)\n}}\n"))
    names = [n.operator.name for n in specialize.training(p, p.objective).nodes]
    assert names == ["followed", "mixed", "mse", "mse", "blend"]
    assert 0 < float(made["loss"]) < 0.25


def test_a_loss_of_the_input_is_not_mixed():
    made, *_ = step(FLOW, "mse(copy, x)")
    p = compile(Source("m.dl", f"{HEAD}{FLOW}\ntrain {{\n loss = mse(copy, x)\n}}\n"))
    graph = specialize.training(p, p.objective)
    assert [n.operator.name for n in graph.nodes] == ["mixup", "mse"]
    assert float(made["loss"]) > 0


def test_one_sample_is_its_own_partner():
    x = X[:1]
    assert torch.allclose(run_torch(bind(Mixup(alpha=0.5), (1, 4, 4)), x), x)


@pytest.mark.parametrize("alpha", [0.1, 1, 5])
def test_the_share_is_beta_distributed_and_partners_are_all_others(alpha):
    torch.manual_seed(0)
    operator = bind(Mixup(alpha=alpha), (1, 4, 4))
    draws = [operator.draws(Functions(), X) for _ in range(4000)]
    shares = torch.stack([share for share, _ in draws])
    theirs = torch.distributions.Beta(torch.tensor(float(alpha)), torch.tensor(float(alpha)))
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(shares.var()) == pytest.approx(float(theirs.variance), rel=0.06)
    partners = torch.stack([partner for _, partner in draws])
    assert partners.sort(1).values.eq(torch.arange(7)).all()
    assert float((partners[:, 0] == 3).float().mean()) == pytest.approx(1 / 7, abs=0.02)


def test_two_mixed_branches_are_rejected():
    flow = FLOW.replace("mixed -> flatten -> dense(3)", "(mixed + (x -> mixup(0.5))) -> flatten -> dense(3)")
    with pytest.raises(CompileError) as caught:
        compile(Source("m.dl", f"{HEAD}{flow}\ntrain {{\n loss = cross_entropy(label)\n}}\n"))
    assert "E0514" in [d.code for d in caught.value.diagnostics]


# --- cutmix -----------------------------------------------------------------------------------------------


CUT = FLOW.replace("mixup(0.5)", "cutmix(5)")


def pasted(x: torch.Tensor, partner: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """As torchvision pastes: the rectangle of the partner over the sample."""
    rows, columns = inside.nonzero().unbind(1)
    made = x.clone()
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    assert int((bottom - top) * (right - left)) == int(inside.sum())
    made[..., top:bottom, left:right] = x[partner][..., top:bottom, left:right]
    return made


def test_losses_of_labels_are_mixed_by_the_share_that_is_kept():
    made, weights, share, partner, inside = step(CUT, "cross_entropy(label) + bce(yes)", CUTMIX)
    assert 0 < float(share) < 1
    assert float(share) == pytest.approx(1 - float(inside.float().mean()))
    cut = pasted(X, partner, inside)
    one_hot = functional.one_hot(LABEL, 3).float()
    wanted = functional.cross_entropy(
        scores(weights, "dense", cut), share * one_hot + (1 - share) * one_hot[partner]
    )
    wanted += functional.binary_cross_entropy_with_logits(
        scores(weights, "dense_2", cut)[:, 0], share * YES + (1 - share) * YES[partner]
    )
    torch.testing.assert_close(made["loss"], wanted)


def test_targets_that_are_images_get_the_same_rectangle():
    made, weights, share, partner, inside = step(CUT, "mse(copy) + mae(yes)", CUTMIX)
    assert not torch.equal(X, X[partner])
    cut = scores(weights, "dense_2", pasted(X, partner, inside))[:, 0]
    wanted = share * (cut - YES).abs().mean() + (1 - share) * (cut - YES[partner]).abs().mean()
    torch.testing.assert_close(made["loss"], wanted)


def test_mixed_images_are_cut_with_both_of_their_targets():
    flow = FLOW.replace("mixup(0.5)", "mixup(0.5) -> cutmix(5)").replace("mixed -> flatten", "x -> flatten")
    made, _, share, partner = step(flow, "mse(copy)")
    _, other, inside = bind(CUTMIX, (1, 4, 4)).draws(Functions(), X)  # the next draws
    mixed = share * X + (1 - share) * X[partner]
    one, two, both = (pasted(x, other, inside) for x in (X, X[partner], mixed))
    wanted = share * functional.mse_loss(both, one) + (1 - share) * functional.mse_loss(both, two)
    torch.testing.assert_close(made["loss"], wanted)


def test_rectangles_have_the_distribution_of_torchvision():
    shape = (1, 11, 6)
    operator, x = bind(Cutmix(alpha=0.8), shape), torch.zeros(2, *shape)
    torch.manual_seed(0)
    mine = torch.stack([torch.stack([share, *edges(inside)]) for share, _, inside in
                        (operator.draws(Functions(), x) for _ in range(3000)) if inside.any()])  # fmt: skip
    transform = v2.CutMix(alpha=0.8, num_classes=3)
    drawn = [transform.make_params([x]) for _ in range(3000)]
    boxes = [(p["lam_adjusted"], *p["box"]) for p in drawn if p["lam_adjusted"] < 1]
    theirs = torch.tensor(boxes, dtype=torch.float32)
    assert len(mine) == pytest.approx(len(theirs), rel=0.03)
    torch.testing.assert_close(mine.mean(0), theirs.mean(0), rtol=0.04, atol=0.1)
    torch.testing.assert_close(mine.std(0), theirs.std(0), rtol=0.06, atol=0.05)


def edges(inside: torch.Tensor) -> list[torch.Tensor]:
    """The first column and row of the rectangle, and the ones after the last."""
    rows, columns = inside.nonzero().float().unbind(1)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_an_image_target_of_another_size_is_rejected():
    text = """
input image: float[1, 8, 8]
output mask: class(2)[4, 4]
image -> cutmix(1) -> conv(2, 2, stride=2) -> mask
"""
    with pytest.raises(CompileError) as caught:
        compile(Source("m.dl", text))
    assert [d.code for d in caught.value.diagnostics] == ["E0513"]


# --- training ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "augmented",
    [
        "random_crop(8, padding=1) -> random_rotate(10) -> color_jitter -> random_erase(0.2) -> mixup(0.2)",
        "random_resized_crop(8, scale=[0.7, 1]) -> cutmix(1)",
    ],
)
def test_training_on_augmented_digits_succeeds(tmp_path, augmented):
    spec = f"""
input image: uint8[1, 8, 8]
output digit: class(10)
image / 16 -> {augmented}
  -> conv(16, 3, padding=1) -> relu -> maxpool(2) -> flatten -> dense(10) -> digit
data {{ source = builtin("digits")
  validation = 0.2 }}
train {{ optimizer = adam(lr=0.01)
  epochs = 12
  batch = 64 }}
expect {{ validation.accuracy >= 0.9 }}
"""
    result = dlc.train(text=spec, out=tmp_path / "run", device="cpu")
    assert result.trained.figures["validation"]["accuracy"] > 0.9
