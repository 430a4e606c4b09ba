"""Losses, compared with torch.nn.functional and with formulas in NumPy."""

from __future__ import annotations

from functools import partial
from itertools import groupby, product
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss
from torch.nn import functional
from torchvision.ops import sigmoid_focal_loss

import dlc.compiler.training  # noqa: F401  (defines the losses)
from dlc.compiler import CompileError, Source, compile
from dlc.compiler.definitions.definition import family
from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.dims.dim import free
from dlc.compiler.lower.torch import Model, TorchFunctions
from dlc.compiler.operators.operands import torch_dtype
from dlc.compiler.passes import specialize
from dlc.compiler.training.class_losses import CrossEntropy, Dice
from dlc.compiler.training.losses import Loss
from dlc.compiler.training.pointwise import Bce, Mae, Mse, Perceptron
from dlc.compiler.types import Classes, Tensor

BATCH = 6
LOSSES = {name: loss for name, loss in family("loss").items() if issubclass(loss, Loss)}


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(BATCH, *shape, generator=torch.Generator().manual_seed(seed))


def draw_classes(count: int, *shape: int) -> torch.Tensor:
    return torch.randint(count, (BATCH, *shape), generator=torch.Generator().manual_seed(1))


def draw_bools(*shape: int) -> torch.Tensor:
    return draw_classes(2, *shape).bool()


def floats(*shape: int) -> Tensor:
    return Tensor("float", shape)


def classes(count: int, *shape: int) -> Tensor:
    return Tensor("class", shape, Classes(count))


def run(loss, types: tuple[Tensor, ...], *operands: torch.Tensor) -> torch.Tensor:
    bound = loss.bind(*types)
    made = bound.torch(TorchFunctions({}), *operands)
    (type,) = bound.results
    assert made.shape == ((BATCH,) * type.batched + type.shape)
    assert made.dtype == torch_dtype(torch, type.element)
    return made


def reduce(each: torch.Tensor, how: str | None) -> torch.Tensor:
    """The three reductions of an elementwise loss."""
    return {
        "mean": each.mean(),
        "sum": each.flatten(1).sum(1).mean() if each.dim() > 1 else each.mean(),
        None: each,
    }[how]


# --- reference formulas -----------------------------------------------------------------------------------


def log_softmax(scores: np.ndarray, axis: int) -> np.ndarray:
    scores = scores.astype(np.float64)
    return scores - np.log(np.exp(scores).sum(axis, keepdims=True))


def dice(p: np.ndarray, t: np.ndarray) -> float:
    return 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)


def huber(d: np.ndarray, delta: float) -> np.ndarray:
    return np.where(d < delta, d**2 / 2, delta * (d - delta / 2))


# Elementwise losses of a prediction and a target of the same shape.
POINTWISE = {
    "mse": lambda p, t: (p - t) ** 2,
    "mae": lambda p, t: np.abs(p - t),
    "huber": lambda p, t: huber(np.abs(p - t), 1),
    "huber(delta=0.3)": lambda p, t: huber(np.abs(p - t), 0.3),
    "bce": lambda p, t: -t * np.log(1 / (1 + np.exp(-p))) - (1 - t) * np.log(1 / (1 + np.exp(p))),
    "perceptron": lambda p, t: ((p >= 0) - t) * p,
    "quantile(q=0.3)": lambda p, t: np.where(t > p, 0.3 * (t - p), 0.7 * (p - t)),
}
# Mean losses of scores [rows, 5] and class indices [rows].
OF_CLASSES = {
    "cross_entropy": lambda s, t: -log_softmax(s, 1)[np.arange(len(t)), t].mean(),
    "dice": lambda s, t: np.mean([dice(np.exp(log_softmax(s, 1))[:, k], t == k) for k in range(5)]),
}


def positive(*shape: int, seed: int = 0) -> torch.Tensor:
    return draw(*shape, seed=seed).abs() + 0.1


def probabilities(*shape: int, seed: int = 0) -> torch.Tensor:
    return draw(*shape, seed=seed).softmax(-1)


def focal_of_classes(s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    p = s.softmax(1).gather(1, t.unsqueeze(1)).squeeze(1)
    return -((1 - p) ** 2) * p.log()


def standard_kl(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    mine = torch.distributions.Normal(mean, (log_variance / 2).exp())
    return torch.distributions.kl_divergence(mine, torch.distributions.Normal(0.0, 1.0))


def ctc(s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """CTC by enumeration of all alignments of each text: repeated symbols, with blanks, 0, between."""
    found = []
    for log, text in zip(s.double().log_softmax(-1), t.tolist(), strict=True):
        text = [symbol + 1 for symbol in text if symbol >= 0]
        total = torch.zeros((), dtype=torch.float64)
        for way in product(range(s.shape[2]), repeat=s.shape[1]):
            if [symbol for symbol, _ in groupby(way) if symbol] == text:
                total += sum(log[step, symbol] for step, symbol in enumerate(way)).exp()
        found.append(-total.log())
    return torch.stack(found)


def info_nce(a: torch.Tensor, b: torch.Tensor, temperature: float = 0.07) -> torch.Tensor:
    s = functional.cosine_similarity(a[:, None], b[None], -1) / temperature
    ways = [functional.cross_entropy(each, torch.arange(len(a)), reduction="none") for each in (s, s.T)]
    return torch.stack(ways).mean(0)


TEXTS = torch.tensor([[0, 1], [1, -1], [0, 0], [-1, 0], [-1, -1], [1, 1]])
no_reduction = {"reduction": "none"}
# Independent references by name: the loss, its operands, and the elementwise loss.
INDEPENDENT: dict[str, list[tuple[Any, tuple[torch.Tensor, ...], Any]]] = {
    "focal": [
        (LOSSES["focal"], (draw(5), draw_classes(5)), focal_of_classes),
        (LOSSES["focal"], (draw(5, 2, 3), draw_classes(5, 2, 3)), focal_of_classes),
        (partial(LOSSES["focal"], gamma=0), (draw(5), draw_classes(5)),
         partial(functional.cross_entropy, **no_reduction)),
        (LOSSES["focal"], (draw(4), draw_bools(4)), lambda s, t: sigmoid_focal_loss(s, t.float(), alpha=-1)),
        (partial(LOSSES["focal"], gamma=0.5), (draw(4), torch.rand(BATCH, 4)),
         partial(sigmoid_focal_loss, alpha=-1, gamma=0.5)),
    ],
    "hinge": [
        (LOSSES["hinge"], (draw(5), draw_classes(5)), partial(functional.multi_margin_loss, **no_reduction)),
        (LOSSES["hinge"], (draw(4), draw_bools(4)), lambda s, t: (1 - torch.where(t, s, -s)).clamp(min=0)),
    ],
    "kl_normal": [(LOSSES["kl_normal"], (draw(4), draw(4, seed=1)), standard_kl)],
    "kl_divergence": [
        (LOSSES["kl_divergence"], (probabilities(3, 4), probabilities(3, 4, seed=1)),
         lambda p, q: functional.kl_div(q.log(), p, **no_reduction).sum(-1)),
    ],
    "cosine": [
        (LOSSES["cosine"], (draw(3, 4), draw(3, 4, seed=1)),
         lambda a, b: 1 - (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1))),
        (LOSSES["cosine"], (draw(4), draw(4, seed=1)),
         lambda a, b: functional.cosine_embedding_loss(a, b, torch.ones(BATCH), **no_reduction)),
    ],
    "triplet": [
        (LOSSES["triplet"], (draw(4), draw(4, seed=1), draw(4, seed=2)),
         partial(functional.triplet_margin_loss, **no_reduction)),
        (partial(LOSSES["triplet"], margin=0.2), (draw(4), draw(4, seed=1), draw(4, seed=2)),
         partial(functional.triplet_margin_loss, margin=0.2, **no_reduction)),
    ],
    "contrastive": [
        (partial(LOSSES["contrastive"], margin=1.5), (positive(), draw_bools()),
         lambda d, same: torch.where(same, d**2, (1.5 - d).clamp(min=0) ** 2)),
    ],
    "poisson": [
        (LOSSES["poisson"], (positive(3), draw_classes(4, 3)), lambda p, t: p - t * (p + 1e-8).log()),
        (partial(LOSSES["poisson"], log=True), (draw(3), draw_classes(4, 3)),
         partial(functional.poisson_nll_loss, **no_reduction)),
    ],
    "bce": [
        (partial(LOSSES["bce"], positive=2.5), (draw(4), draw_bools(4)),
         lambda s, t: functional.binary_cross_entropy_with_logits(
             s, t.float(), pos_weight=torch.tensor(2.5), **no_reduction)),
        (partial(LOSSES["bce"], positive=(1, 2, 0.5)), (draw(2, 3), torch.rand(BATCH, 2, 3)),
         partial(functional.binary_cross_entropy_with_logits, pos_weight=torch.tensor([1, 2, 0.5]),
                 **no_reduction)),
        (partial(LOSSES["bce"], positive=(3, 0.5)), (draw(2, 3, 2), draw_bools(2, 3, 2)),
         lambda s, t: functional.binary_cross_entropy_with_logits(
             s, t.float(), pos_weight=torch.tensor([3, 0.5]).reshape(2, 1, 1), **no_reduction)),
    ],
    "quantile": [
        (partial(LOSSES["quantile"], q=0.9), (draw(), draw(seed=1)),
         lambda p, t: torch.tensor(
             [mean_pinball_loss([true], [made], alpha=0.9) for true, made in zip(t, p, strict=True)])),
    ],
    "info_nce": [
        (LOSSES["info_nce"], (draw(4), draw(4, seed=1)), info_nce),
        (partial(LOSSES["info_nce"], temperature=0.5), (draw(4), draw(4)),
         partial(info_nce, temperature=0.5)),
    ],
    "cross_entropy": [
        (LOSSES["cross_entropy"], (draw(5), probabilities(5)),
         partial(functional.cross_entropy, **no_reduction)),
        (partial(LOSSES["cross_entropy"], label_smoothing=0.1, weight=(1, 2, 0.5, 3, 0)),
         (draw(4, 5), probabilities(4, 5)),
         lambda s, t: functional.cross_entropy(
             s.transpose(1, 2), t.transpose(1, 2), weight=torch.tensor([1, 2, 0.5, 3, 0]),
             label_smoothing=0.1, **no_reduction)),
        (LOSSES["cross_entropy"], (draw(5, 3, 2), probabilities(3, 2, 5).movedim(-1, 1)),
         partial(functional.cross_entropy, **no_reduction)),
    ],
    "ctc": [(LOSSES["ctc"], (draw(4, 3), TEXTS), ctc)],
}  # fmt: skip
ROWS = [(name, number) for name, rows in INDEPENDENT.items() for number in range(len(rows))]


def type_of(operand: torch.Tensor, classes_in: int) -> Tensor:
    shape = tuple(operand.shape[1:])
    if operand.dtype is torch.int64:
        return classes(classes_in, *shape) if classes_in else Tensor("int64", shape)
    return Tensor("bool" if operand.dtype is torch.bool else "float", shape)


@pytest.mark.parametrize("reduction", ["mean", "sum", None])
@pytest.mark.parametrize(("name", "number"), ROWS)
def test_losses_agree_with_independent_references(name, number, reduction):
    loss, operands, reference = INDEPENDENT[name][number]
    counted = {"poisson": 0, "ctc": 2}.get(name, 5)
    types = tuple(type_of(operand, counted) for operand in operands)
    wanted = reference(*operands)
    if name == "ctc" and reduction == "mean":
        wanted = wanted / (operands[1] >= 0).sum(1).clamp(min=1)
    made = run(loss(reduce=reduction), types, *operands)
    torch.testing.assert_close(made.double(), reduce(wanted.double(), reduction), rtol=1e-5, atol=1e-6)


def named(call: str) -> Any:
    """The loss of a call in spec syntax, such as `huber(delta=0.3)`, with its settings bound."""
    name, _, setting = call.rstrip(")").partition("(")
    key, _, value = setting.partition("=")
    return partial(LOSSES[name], **{key: float(value)} if key else {})


@pytest.mark.parametrize("name", sorted(LOSSES.keys() - POINTWISE.keys() - set(INDEPENDENT)))
def test_every_loss_has_a_reference_formula(name):
    assert name in OF_CLASSES, f"write the formula of `{name}` into POINTWISE, OF_CLASSES or INDEPENDENT"
    s, t = draw(5), draw_classes(5)
    made = run(LOSSES[name](), (floats(5), classes(5)), s, t)
    assert made.item() == pytest.approx(OF_CLASSES[name](s.numpy(), t.numpy()), rel=1e-5)


# --- elementwise losses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum", None])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("name", POINTWISE)
def test_formulas(name, shape, reduction):
    p, t = draw(*shape), torch.rand(BATCH, *shape)
    made = run(named(name)(reduce=reduction), (floats(*shape), floats(*shape)), p, t)
    wanted = reduce(torch.from_numpy(POINTWISE[name](p.double().numpy(), t.double().numpy())), reduction)
    torch.testing.assert_close(made.double(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "reference"),
    [
        (Mse, functional.mse_loss),
        (Mae, functional.l1_loss),
        (Bce, functional.binary_cross_entropy_with_logits),
    ],
)
def test_means_are_those_of_pytorch(loss, reference):
    p, t = draw(4, 3), torch.rand(BATCH, 4, 3)
    assert torch.equal(run(loss(), (floats(4, 3), floats(4, 3)), p, t), reference(p, t))


@pytest.mark.parametrize("element", ["bool", "uint8", "int64", "float64"])
@pytest.mark.parametrize("name", POINTWISE)
def test_targets_of_any_dtype(name, element):
    p, t = draw(3), draw_bools(3).to(torch_dtype(torch, element))
    made = run(named(name)(), (floats(3), Tensor(element, (3,))), p, t)
    wanted = POINTWISE[name](p.double().numpy(), t.double().numpy()).mean()
    assert made.item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("shapes", [((1,), ()), ((), (1,))])
def test_a_scalar_beside_a_vector_of_size_1(shapes):
    p, t = draw(*shapes[0]), draw(*shapes[1], seed=1)
    made = run(Mse(), (floats(*shapes[0]), floats(*shapes[1])), p, t)
    assert made.item() == pytest.approx(((p.flatten() - t.flatten()) ** 2).mean().item())


@pytest.mark.parametrize("shape", [(), (2, 3), (6,)])
def test_a_number_is_broadcast(shape):
    number = Tensor("int64", batched=False)
    made = run(Bce(reduce=None), (floats(*shape), number), draw(*shape), torch.tensor(1))
    torch.testing.assert_close(made, functional.softplus(-draw(*shape)))
    made = run(
        Mae(reduce=None), (Tensor("float", batched=False), floats(*shape)), torch.tensor(2.0), draw(*shape)
    )
    assert torch.equal(made, (2 - draw(*shape)).abs())


def test_a_declared_weight_is_broadcast_over_the_batch():
    weight = Tensor("float", (3,), batched=False)
    w = torch.tensor([1.0, 2.0, 3.0])
    for types, operands in (((weight, floats(3)), (w, draw(3))), ((floats(3), weight), (draw(3), w))):
        assert torch.equal(run(Mse(reduce=None), types, *operands), (draw(3) - w) ** 2)
    assert run(
        Mse(reduce="sum"), (weight, Tensor("int64", batched=False)), w, torch.tensor(0)
    ).item() == pytest.approx(14 / 1)


def test_the_threshold_of_a_perceptron_has_no_gradient():
    s = torch.tensor([[-1.0], [2.0], [-3.0], [4.0]], requires_grad=True)
    t = torch.tensor([[True], [True], [False], [False]])
    bound = Perceptron(reduce="sum").bind(floats(1), Tensor("bool", (1,)))
    bound.torch(TorchFunctions({}), s, t).backward()
    assert (s.grad * 4).flatten().tolist() == [-1, 0, 0, 1]  # only wrong predictions have a gradient


def test_bce_of_extreme_scores_is_finite():
    p = torch.tensor([[1e4, -1e4]]).expand(BATCH, 2)
    made = run(Bce(), (floats(2), Tensor("bool", (2,))), p, torch.tensor([[False, True]]).expand(BATCH, 2))
    assert made.item() == pytest.approx(1e4)


EXTREME = torch.tensor([1e4, -1e4, 0.0, 1e4, -1e4, 1.0])


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2])
def test_focal_of_extreme_scores_has_a_finite_gradient(gamma):
    """A power below 1 has an infinite slope at 0, where its factor is 0."""
    right = torch.tensor([True, False, True, False, True, False])
    s = EXTREME.clone().requires_grad_()
    run(LOSSES["focal"](gamma=gamma), (floats(), Tensor("bool")), s, right).backward()
    torch.testing.assert_close(s.grad[[0, 1, 3, 4]] * BATCH, torch.tensor([0.0, 0, 1, -1]))
    assert s.grad.isfinite().all()
    both = torch.stack([-EXTREME / 2, EXTREME / 2], 1).requires_grad_()
    run(LOSSES["focal"](gamma=gamma), (floats(2), classes(2)), both, right.long()).backward()
    torch.testing.assert_close(both.grad[:, 1], s.grad)


def test_hinge_of_extreme_scores_is_that_of_pytorch():
    s = (draw(5) * 12345.678).requires_grad_()
    s.data[0] = torch.tensor([1e8, 0, 0, 0, 0])
    t = torch.tensor([0, 1, 2, 3, 4, 0])
    made = run(LOSSES["hinge"](reduce=None), (floats(5), classes(5)), s, t)
    wanted = functional.multi_margin_loss(s, t, reduction="none")
    torch.testing.assert_close(made, wanted, rtol=1e-6, atol=1e-5)
    torch.testing.assert_close(*(torch.autograd.grad(loss.sum(), s) for loss in (made, wanted)))


# --- cross-entropy ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["mean", "sum", None])
@pytest.mark.parametrize(
    ("scores", "target", "axis"),
    [((5,), (), 1), ((4, 5), (4,), 2), ((5, 3, 2), (3, 2), 1), ((5, 2, 3, 2), (2, 3, 2), 1)],
)
def test_cross_entropy_is_the_negative_log_probability_of_the_right_class(scores, target, axis, reduction):
    s, t = draw(*scores), draw_classes(5, *target)
    made = run(CrossEntropy(reduce=reduction), (floats(*scores), classes(5, *target)), s, t)
    logarithms = log_softmax(s.numpy(), axis)
    each = -np.take_along_axis(logarithms, np.expand_dims(t.numpy(), axis), axis).squeeze(axis)
    torch.testing.assert_close(made.double(), reduce(torch.from_numpy(each), reduction), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", None])
def test_class_weights_and_smoothing_are_those_of_pytorch(reduction):
    s, t = draw(5), draw_classes(5)
    settings = {"label_smoothing": 0.1, "weight": (1, 2, 0.5, 3, 0)}
    made = run(CrossEntropy(**settings, reduce=reduction), (floats(5), classes(5)), s, t)
    weight = torch.tensor([1, 2, 0.5, 3, 0])
    wanted = functional.cross_entropy(s, t, weight=weight, label_smoothing=0.1, reduction=reduction or "none")
    torch.testing.assert_close(made, wanted)


def test_a_batch_of_total_class_weight_0_has_loss_0():
    """A small batch may contain only a background class of weight 0."""
    s = draw(3, 2, 2).requires_grad_()
    t = torch.zeros(BATCH, 2, 2, dtype=torch.int64)
    made = run(CrossEntropy(weight=(0, 1, 1)), (floats(3, 2, 2), classes(3, 2, 2)), s, t)
    made.backward()
    assert made.item() == 0 and not s.grad.any()


@pytest.mark.parametrize("element", ["class", "uint8", "int32"])
def test_class_indices_of_any_integer_dtype(element):
    t = draw_classes(5).to(torch_dtype(torch, element))
    type = classes(5) if element == "class" else Tensor(element)
    assert torch.equal(
        run(CrossEntropy(), (floats(5), type), draw(5), t), functional.cross_entropy(draw(5), t.long())
    )


def test_cross_entropy_with_one_class_for_all_rows():
    number = Tensor("int64", batched=False)
    for shape, axis in (((5,), 1), ((5, 3, 2), 1), ((4, 5), 2)):
        made = run(CrossEntropy(), (floats(*shape), number), draw(*shape), torch.tensor(3))
        assert made.item() == pytest.approx(
            -draw(*shape).log_softmax(axis).select(axis, 3).mean().item(), rel=1e-5
        )


def test_cross_entropy_of_a_target_of_shape_1():
    made = run(CrossEntropy(), (floats(5), classes(5, 1)), draw(5), draw_classes(5, 1))
    assert torch.equal(made, functional.cross_entropy(draw(5), draw_classes(5, 1).squeeze(1)))


# --- dice -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shape", "axis"), [((), 1), ((4,), 2), ((3, 2), 1)])
def test_dice_of_classes_is_the_mean_over_classes(shape, axis):
    scores = (*shape, 5) if axis == 2 else (5, *shape)
    s, t = draw(*scores), draw_classes(5, *shape)
    made = run(Dice(), (floats(*scores), classes(5, *shape)), s, t)
    p = np.exp(log_softmax(s.numpy(), axis))
    wanted = np.mean([dice(p.take(k, axis), t.numpy() == k) for k in range(5)])
    assert made.item() == pytest.approx(wanted, rel=1e-5)


def test_dice_of_yes_or_no():
    s, t = draw(1, 3, 2), draw_bools(1, 3, 2)
    made = run(Dice(), (floats(1, 3, 2), Tensor("bool", (1, 3, 2))), s, t)
    assert made.item() == pytest.approx(dice(1 / (1 + np.exp(-s.double().numpy())), t.numpy()), rel=1e-5)
    perfect = run(Dice(), (floats(1, 3, 2), Tensor("bool", (1, 3, 2))), (t.float() - 0.5) * 1e3, t)
    assert perfect.item() == pytest.approx(0, abs=1e-6)


# --- declarations -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "types", "code", "words"),
    [
        (Mse(), (floats(3), classes(3)), "E0201", "`cross_entropy` is the loss for classes"),
        (Mse(), (floats(3), floats(4)), "E0203", "float[3] and float[4]"),
        (Mse(), (floats(2, 3), floats(6)), "E0203", "`reshape(6)`"),
        (Mse(), (floats(3), floats()), "E0203", "`dense(1)`"),
        (Mse(), (floats(free("T")), floats(3)), "E0204", "float[T] and float[3]"),
        (Bce(), (floats(3), classes(3)), "E0201", "`cross_entropy` is the loss for classes"),
        (CrossEntropy(), (floats(3), floats()), "E0201",
         "`mse` is the loss for numbers, `bce` for booleans"),
        (CrossEntropy(), (floats(3), floats(4)), "E0203",
         "takes classes, or probabilities in the shape of the scores float[3]"),
        (CrossEntropy(), (floats(3), Tensor("float", (3,), batched=False)), "E0201", "the same for all"),
        (Bce(positive=(1.0, 2.0)), (floats(3), floats(3)), "E0404", "2 entries for 3 labels"),
        (LOSSES["info_nce"](), (floats(2, 3), floats(2, 3)), "E0201", "`flatten`"),
        (CrossEntropy(), (floats(3), Tensor("bool")), "E0201", "`bce` is the loss for booleans"),
        (CrossEntropy(), (floats(4), classes(3)), "E0203", "takes scores float[3], found float[4]"),
        (CrossEntropy(), (floats(), classes(3)), "E0201", "`bce` is the loss of one score"),
        (CrossEntropy(), (floats(4, 4, 3), classes(3, 4, 4)), "E0203",
         "takes scores float[3, 4, 4], found float[4, 4, 3]"),
        (CrossEntropy(), (floats(3, free("H"), 4), classes(3, 4, 4)), "E0204", "float[3, H, 4]"),
        (CrossEntropy(weight=(1, 2)), (floats(3), classes(3)), "E0404", "2 entries for 3 classes"),
        (Dice(reduce=None), (floats(3), classes(3)), "E0201", "one number for the whole batch"),
        (Dice(), (floats(3), Tensor("string", (3,))), "E0201", "takes classes or booleans"),
    ],
)  # fmt: skip
def test_errors(loss, types, code, words):
    with pytest.raises(Reject) as caught:
        loss.bind(*types)
    assert caught.value.code == code
    assert words in f"{caught.value.message}\n{caught.value.help}"


# --- in a spec --------------------------------------------------------------------------------------------

HEADS = {
    "float": "output y: float[3]",
    "class": "output y: class(3)",
    "mask": "output y: class(3)[4, 4]",
    "binary": "output y: binary[3]",
}
LAYERS = {"float": "x -> dense(3) -> y", "class": "x -> dense(3) -> softmax -> y",
          "binary": "x -> dense(3) -> sigmoid -> y",
          "mask": "x -> dense(48) -> reshape(3, 4, 4) -> y"}  # fmt: skip


@pytest.mark.parametrize(
    ("head", "loss", "reference"),
    [
        ("float", "mse(y)", functional.mse_loss),
        ("float", "mse(y, reduce=sum)", lambda p, t: functional.mse_loss(p, t) * 3),
        ("float", "mse(y) + 0.1 * mae(y)",
         lambda p, t: functional.mse_loss(p, t) + 0.1 * functional.l1_loss(p, t)),
        ("float", "huber(y, delta=0.5)", lambda p, t: functional.huber_loss(p, t, delta=0.5)),
        ("float", "mse(y, 1)", lambda p, t: functional.mse_loss(p, torch.ones_like(p))),
        ("float", "mse(y, reduce=none)", functional.mse_loss),
        ("binary", "bce(y)", functional.binary_cross_entropy_with_logits),
        ("binary", "bce(y, 0)", lambda p, t: functional.softplus(p).mean()),
        ("binary", "perceptron(y)", lambda p, t: (((p >= 0).float() - t) * p).mean()),
        ("class", "cross_entropy(y)", functional.cross_entropy),
        ("class", "dice(y)", lambda p, t: torch_dice(p, t)),
        ("class", "cross_entropy(y, weight=[1, 2, 3])",
         lambda p, t: functional.cross_entropy(p, t, weight=torch.tensor([1.0, 2, 3]))),
        ("mask", "cross_entropy(y) + dice(y)",
         lambda p, t: functional.cross_entropy(p, t) + torch_dice(p, t)),
    ],
)  # fmt: skip
def test_in_training(head, loss, reference):
    text = f"input x: float[8]\n{HEADS[head]}\n{LAYERS[head]}\ntrain {{ loss = {loss} }}\n"
    program = compile(Source("loss.dl", text))
    graph = specialize.training(program, program.objective)
    rng = np.random.default_rng(0)
    values = {w.name: rng.standard_normal(w.value.type.shape).astype(np.float32) for w in graph.weights}
    target = {
        "float": draw(3),
        "binary": torch.rand(BATCH, 3),
        "class": draw_classes(3),
        "mask": draw_classes(3, 4, 4),
    }[head]
    x = draw(8)
    made = Model(graph, graph.weights, values)({"x": x, "y": target, "y.target": target})["loss"]
    scores = functional.linear(x, *map(torch.from_numpy, values.values()))
    torch.testing.assert_close(
        made, reference(scores.reshape(BATCH, *([3, 4, 4] if head == "mask" else [3])), target)
    )


def torch_dice(p: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    p, t = p.softmax(1), functional.one_hot(t, 3).movedim(-1, 1)
    axes = (0, *range(2, p.dim()))
    return (1 - (2 * (p * t).sum(axes) + 1) / (p.sum(axes) + t.sum(axes) + 1)).mean()


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_row_of_the_documentation(name):
    assert any(not row.rejects for row in LOSSES[name].examples)
    for row in LOSSES[name].examples:
        inputs = "\n".join(f"input {n}: {t}" for n, t in zip("ptn", row.operands, strict=False))
        given = ", ".join("ptn"[: len(row.operands)])
        call = row.call.replace("(", f"({given}, ", 1) if "(" in row.call else f"{row.call}({given})"
        call = call if row.gives == "float" or row.rejects else f"mean({call})"
        text = f"{inputs}\noutput y: float\np -> flatten -> mean -> y\ntrain {{ loss = {call} }}\n"
        if row.rejects:
            with pytest.raises(CompileError) as caught:
                compile(Source("row.dl", text))
            assert row.rejects in {d.code for d in caught.value.diagnostics}, row
            continue
        (node,) = [n for n in compile(Source("row.dl", text)).graph.nodes if n.operator.name == name]
        assert str(node.results[0].type) == row.gives
