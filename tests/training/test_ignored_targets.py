"""Targets with ignored entries: each loss and metric is that of the entries that count alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
from torch.nn import functional
from trainings import program, run

import dlc.compiler.training  # noqa: F401  (defines the losses)
from dlc.compiler import Source, compile
from dlc.compiler.definitions.definition import family
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.torch import Model, TorchFunctions
from dlc.compiler.operators.mixing import Mixup
from dlc.compiler.output_kinds import class_axis
from dlc.compiler.passes import specialize
from dlc.compiler.passes.graph_rewrite import prune
from dlc.compiler.training.losses import Loss
from dlc.compiler.types import Classes, Tensor
from dlc.runtime.data import InMemoryRows
from dlc.runtime.training.meter import Meter, OutputMetric

BATCH, SIZES = 6, {"T": 5, "U": 3, "H": 4, "W": 3}
IGNORED_ROWS = torch.tensor([False, True, False, False, True, False])
LOSSES = {name: loss for name, loss in family("loss").items() if issubclass(loss, Loss)}
EXAMPLES = [(name, i) for name, loss in sorted(LOSSES.items()) for i, row in enumerate(loss.examples)
            if not row.rejects]  # fmt: skip


# --- losses -----------------------------------------------------------------------------------------------


def bound(name: str, index: int):
    """The loss of an example, and random operands; whole numbers as classes, booleans as floats."""
    row, rng = LOSSES[name].examples[index], np.random.default_rng(index)
    types = [str(t) for t in row.operands]
    for free, size in SIZES.items():
        types = [t.replace(free, str(size)) for t in types]
    inputs = "\n".join(f"input {n}: {t}" for n, t in zip("pqr", types, strict=False))
    called, _, settings = row.call.partition("(")
    call = f"{called}({', '.join(filter(None, (*'pqr'[: len(types)], settings.removesuffix(')'))))})"
    call = call if row.gives == "float" else f"mean({call})"
    made = compile(Source("row.dl", f"{inputs}\ntrain {{ loss = {call} }}\n"))
    (node,) = [n for n in made.graph.nodes if n.operator.name == name]
    operands = []
    for type in node.operator.operands:
        shape = (BATCH, *type.shape)
        if type.element == "class" or (name == "ctc" and type.is_integer):
            operands.append(torch.from_numpy(rng.integers(0, 3, shape)))
        elif type.element == "bool" or type.is_integer:
            operands.append(torch.from_numpy(rng.integers(0, 2, shape)).float())
        else:
            operands.append(torch.from_numpy(rng.uniform(row.low, row.high, shape)).float())
    return node.operator, operands


def plain(operator, operands):
    """The types of the operands, without ignored entries."""
    return [Tensor("class", t.shape, t.classes or Classes(3)) if not x.is_floating_point() else
            Tensor("float", t.shape) for t, x in zip(operator.operands, operands, strict=True)]  # fmt: skip


def loss_of(operator, types, operands, reduce=...):
    if reduce is not ...:
        operator = operator.with_settings(reduce=reduce)
    return operator.bind(*types).torch(TorchFunctions({}), *operands)


def ignoring(types, operands, ignored):
    """The types and operands with ignored entries in the last operand, the target."""
    mark = -1 if types[-1].element == "class" else float("nan")
    ignored = ignored.reshape(BATCH, *[1] * types[-1].rank) if ignored.dim() == 1 else ignored
    target = torch.where(ignored, torch.tensor(mark, dtype=operands[-1].dtype), operands[-1])
    return [*types[:-1], replace(types[-1], ignore=(255,))], [*operands[:-1], target]


@pytest.mark.parametrize("reduce", ["mean", "sum"])
@pytest.mark.parametrize(("name", "index"), EXAMPLES)
def test_a_loss_is_that_of_the_rows_that_count(name, index, reduce):
    operator, operands = bound(name, index)
    types = plain(operator, operands)
    if name == "dice" and reduce == "sum":
        return
    found = loss_of(operator, *ignoring(types, operands, IGNORED_ROWS), reduce)
    torch.testing.assert_close(found, loss_of(operator, types, [x[~IGNORED_ROWS] for x in operands], reduce))


def some_entries(operand: torch.Tensor) -> torch.Tensor:
    """A mask of about half of the entries, with one row of which nothing counts."""
    mask = torch.from_numpy(np.random.default_rng(7).random(operand.shape) < 0.5)
    mask[1] = True
    return mask


@pytest.mark.parametrize(("name", "index"), EXAMPLES)
def test_predictions_of_ignored_entries_have_no_effect_and_no_gradient(name, index):
    operator, operands = bound(name, index)
    types, mask = plain(operator, operands), some_entries(operands[-1])
    with_marks, marked = ignoring(types, operands, mask)
    if name == "ctc":  # its prediction has no entry for each symbol
        mask = torch.zeros(marked[0].shape, dtype=torch.bool)
    elif types[-1].element == "class":
        mask = mask.unsqueeze(class_axis(types[0].rank) % types[0].rank + 1).expand(marked[0].shape)
    mask = mask.reshape(marked[0].shape) if mask.numel() == marked[0].numel() else mask
    marked[0].requires_grad_()
    found = loss_of(operator, with_marks, marked, "mean")
    found.backward()
    assert marked[0].grad.isfinite().all()
    assert (marked[0].grad[mask] == 0).all()
    if name not in ("perceptron", "triplet"):  # they are flat where the answer is right
        assert marked[0].grad[2:].abs().sum() > 0
    other = torch.where(mask, marked[0] + 0.3, marked[0])
    torch.testing.assert_close(loss_of(operator, with_marks, [other, *marked[1:]], "mean"), found)


@pytest.mark.parametrize(("name", "index"), EXAMPLES)
def test_a_loss_entry_by_entry_is_the_mean_of_those_that_count(name, index):
    operator, operands = bound(name, index)
    types, mask = plain(operator, operands), some_entries(operands[-1])
    if name == "dice":
        return
    each = loss_of(operator, types, operands, None)
    if each.numel() != mask.numel() or operator.settings.get("weight") is not None:
        return  # a loss of vectors or texts, or a weighted mean
    valid = ~mask.reshape(each.shape)
    marked = ignoring(types, operands, mask)
    torch.testing.assert_close(loss_of(operator, *marked, "mean"), each[valid].mean())
    torch.testing.assert_close(loss_of(operator, *marked, None), torch.where(valid, each, 0))
    rows = torch.where(valid, each, 0).reshape(BATCH, -1).sum(1)
    torch.testing.assert_close(loss_of(operator, *marked, "sum"),
                               rows.sum() / valid.reshape(BATCH, -1).any(1).sum())  # fmt: skip


@pytest.mark.parametrize(("name", "index"), EXAMPLES)
def test_a_batch_with_nothing_that_counts_has_loss_0_and_gradient_0(name, index):
    operator, operands = bound(name, index)
    types, marked = ignoring(plain(operator, operands), operands, torch.ones(BATCH, dtype=torch.bool))
    marked[0].requires_grad_()
    found = loss_of(operator, types, marked, "mean")
    found.backward()
    assert found == 0
    assert (marked[0].grad == 0).all()


@pytest.mark.parametrize(("name", "index"), EXAMPLES)
def test_sums_and_weights_of_several_batches_give_the_loss_of_all_rows(name, index):
    operator, operands = bound(name, index)
    types, marked = ignoring(plain(operator, operands), operands, some_entries(operands[-1]))
    operator = operator.with_settings(reduce="mean").bind(*types)
    if not operator.averages:
        return
    whole = operator.torch(TorchFunctions({}), *marked)
    parts = [operator.sum_and_weight(TorchFunctions({}), *(x[part] for x in marked))
             for part in (slice(0, 2), slice(2, 6))]  # fmt: skip
    torch.testing.assert_close(sum(s for s, _ in parts) / sum(w for _, w in parts), whole)


CLASSES = Tensor("class", (4, 4), Classes(3), ignore=(255,))


@pytest.mark.parametrize("settings", [{}, {"label_smoothing": 0.2}, {"weight": [1.0, 3.0, 0.5]},
                                      {"weight": [0.0, 3.0, 0.5], "label_smoothing": 0.1}])  # fmt: skip
@pytest.mark.parametrize("reduce", ["mean", None])
def test_cross_entropy_is_that_of_ignore_index(settings, reduce):
    scores = torch.randn(BATCH, 3, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.randint(-1, 3, (BATCH, 4, 4), generator=torch.Generator().manual_seed(1))
    operator = LOSSES["cross_entropy"](reduce=reduce, **settings)
    found = loss_of(operator, [Tensor("float", (3, 4, 4)), CLASSES], [scores, target])
    weight = {"weight": torch.tensor(settings["weight"])} if "weight" in settings else {}
    wanted = functional.cross_entropy(scores, target, ignore_index=-1, reduction=reduce or "none",
                                      **{**settings, **weight})  # fmt: skip
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(*(torch.autograd.grad(x.sum(), scores)[0] for x in (found, wanted)))


def test_dice_sums_over_the_entries_that_count():
    scores, target = torch.randn(BATCH, 4, 4), torch.rand(BATCH, 4, 4).round()
    mask = some_entries(target)
    type = Tensor("float", (4, 4))
    found = loss_of(LOSSES["dice"](), *ignoring([type, type], [scores, target], mask))
    p, t = scores.sigmoid()[~mask], target[~mask]
    torch.testing.assert_close(found, 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1))


def test_cosine_compares_the_entries_that_count():
    type = Tensor("float", (4,))
    a, b = torch.randn(BATCH, 4), torch.randn(BATCH, 4)
    mask = torch.zeros(BATCH, 4, dtype=torch.bool)
    mask[:, 1] = True
    found = loss_of(LOSSES["cosine"](), *ignoring([type, type], [a, b], mask))
    wanted = 1 - functional.cosine_similarity(a[:, [0, 2, 3]], b[:, [0, 2, 3]])
    torch.testing.assert_close(found, wanted.mean())


# --- metrics ----------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
METRICS = {name: metric(**({"k": 2} if name == "top_k" else {})) for name, metric in family("metric").items()}
TYPES = [Tensor(element, shape, Classes(count) if count else None)
         for element, count in (("class", 4), ("binary", 2), ("bool", 0), ("float", 0), ("int32", 0))
         for shape in ((), (3,), (2, 3))]  # fmt: skip
FITTING = [(name, type) for name in sorted(METRICS) for type in TYPES if METRICS[name].fits(type)]


def measured(name: str, type: Tensor, answers, target, batch: int = 16):
    meter = Meter([OutputMetric(name, "y", type, "y", METRICS[name])])
    for start in range(0, len(target), batch):
        part = slice(start, start + batch)
        meter.add({key: array[part] for key, array in answers.items()}, {"y": target[part]})
    if meter.tables():
        return np.array(meter.tables()[name].counts)
    return meter.figures()[name]


def drawn(type: Tensor, n: int = 60):
    """Answers under the names of the artifact, and targets."""
    shape = (n, *type.shape)
    if type.element == "class":
        probabilities = RNG.dirichlet(np.ones(4), shape).astype(np.float32)
        value = probabilities.argmax(-1)
        first = np.moveaxis(probabilities, -1, 1) if type.rank >= 2 else probabilities
        return {"y": value, "y_probabilities": first}, RNG.integers(0, 4, shape)
    if type.element in ("binary", "bool"):
        probability = RNG.random(shape).astype(np.float32)
        target = (RNG.random(shape) < 0.4).astype(float)
        return {"y": probability >= 0.5, "y_probability": probability}, target
    value = RNG.normal(size=shape) * 3
    return {"y": value.astype(type.element)}, np.round(value + RNG.normal(size=shape), 0)


def marked(type: Tensor, target, mask):
    return np.where(mask, -1 if type.element == "class" else np.nan, target).astype(target.dtype)


@pytest.mark.parametrize(("name", "type"), FITTING, ids=str)
def test_a_metric_is_that_of_the_rows_that_count(name, type):
    answers, target = drawn(type)
    ignored = RNG.random(len(target)) < 0.4
    ignored[16:32] = True  # a whole batch
    some = marked(type, target, ignored.reshape(-1, *[1] * type.rank))
    found = measured(name, replace(type, ignore=(255,)), answers, some)
    wanted = measured(name, type, {key: array[~ignored] for key, array in answers.items()}, target[~ignored])
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize(("name", "type"), FITTING, ids=str)
def test_a_metric_with_nothing_that_counts_is_that_of_no_rows(name, type):
    answers, target = drawn(type)
    some = marked(type, target, np.ones(target.shape, bool))
    found = measured(name, replace(type, ignore=(255,)), answers, some)
    np.testing.assert_array_equal(found, measured(name, type, answers, target[:0]))


SEPARATE = {"f1": sk.f1_score, "precision": sk.precision_score, "recall": sk.recall_score,
            "iou": sk.jaccard_score, "mcc": sk.matthews_corrcoef, "auroc": sk.roc_auc_score,
            "r2": sk.r2_score}  # fmt: skip


OF_ENTRIES = [(name, type) for name, type in FITTING if not METRICS[name].whole_rows]


@pytest.mark.parametrize(("name", "type"), OF_ENTRIES, ids=str)
def test_a_metric_leaves_out_single_entries(name, type):
    """Metrics that measure the entries of a vector separately leave them out separately, and a place of which
    nothing counts altogether. All others are those of a list of the entries that count."""
    answers, target = drawn(type)
    mask = RNG.random(target.shape) < 0.4
    found = measured(name, replace(type, ignore=(255,)), answers, marked(type, target, mask))
    separate = METRICS[name].separates and type.rank == 1 and type.element != "class"
    if not separate:
        alone = {key: np.moveaxis(a, 1, -1)[~mask] if key.endswith("ies") and type.rank == 2 else a[~mask]
                 for key, a in answers.items()}  # fmt: skip
        np.testing.assert_allclose(found, measured(name, type.with_shape(), alone, target[~mask]), rtol=1e-6)
        return
    value = answers["y_probability" if name == "auroc" else "y"]
    columns = [(target[~mask[:, k], k], value[~mask[:, k], k]) for k in range(3)]
    assert found == pytest.approx(np.mean([SEPARATE[name](*column) for column in columns]), rel=1e-6)
    mask[:, 0] = True
    found = measured(name, replace(type, ignore=(255,)), answers, marked(type, target, mask))
    assert found == pytest.approx(np.mean([SEPARATE[name](*column) for column in columns[1:]]), rel=1e-6)


# --- training ---------------------------------------------------------------------------------------------

SEGMENTS = """
input  image: float[1, 6, 6]
output mask: class(3, ignore=255)[6, 6]

image -> conv(4, 3, padding=same) -> relu -> conv(3, 1) -> mask

train {{
  optimizer = sgd(lr=0.5)
  {}
}}
"""


def segments(n: int, seed: int = 0) -> InMemoryRows:
    """Images whose first rows are labelled in fewer pixels than the last; some have no label at all."""
    rng = np.random.default_rng(seed)
    image = rng.normal(size=(n, 1, 6, 6)).astype(np.float32)
    mask = (image[:, 0] > -0.5).astype(np.int64) + (image[:, 0] > 0.5)
    mask[rng.random(mask.shape) > np.linspace(0, 1, n).reshape(-1, 1, 1)] = -1
    mask[:3] = -1
    return InMemoryRows({"image": image, "mask": mask}, n)


def by_torch(text: str, rows: InMemoryRows, batch: int, epochs: int):
    """The weights and the losses of each epoch in plain PyTorch, without shuffling."""
    p = program(text)
    first, last = torch.nn.Conv2d(1, 4, 3, padding="same"), torch.nn.Conv2d(4, 3, 1)
    net = torch.nn.Sequential(first, torch.nn.ReLU(), last)
    for own, array in zip(net.parameters(), draw(p.graph, 0).values(), strict=True):
        own.data.copy_(torch.from_numpy(array))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    image, mask = (torch.from_numpy(rows[name]) for name in ("image", "mask"))
    losses = []
    for _ in range(epochs):
        total = count = 0.0
        for start in range(0, len(image), batch):
            part = slice(start, start + batch)
            sum = functional.cross_entropy(net(image[part]), mask[part], ignore_index=-1, reduction="sum")
            counted = int((mask[part] >= 0).sum())
            total, count = total + sum.item(), count + counted
            optimizer.zero_grad()
            (sum / max(counted, 1)).backward()
            optimizer.step()
        losses.append(total / count)
    return net, losses


@pytest.mark.parametrize("batch", ["batch = all", "batch = 10\naccumulate = 4"])
def test_a_step_is_that_of_ignore_index_over_all_its_rows(batch):
    rows = segments(40)
    text = SEGMENTS.format(f"epochs = 4\n{batch}\nmetrics = [accuracy, iou]")
    found = run(text, rows, rows)
    net, losses = by_torch(text, rows, 40, 4)
    for own, array in zip(net.parameters(), found.weights.values(), strict=True):
        np.testing.assert_allclose(array, own.detach().numpy(), rtol=1e-3, atol=1e-5)
    assert [e.train["loss"] for e in found.history] == pytest.approx(losses, rel=1e-4)
    with torch.no_grad():
        scores = net(torch.from_numpy(rows["image"]))
    mask, counts = rows["mask"], rows["mask"] >= 0
    wanted = functional.cross_entropy(scores, torch.from_numpy(mask), ignore_index=-1)
    answers = scores.argmax(1).numpy()[counts]
    figures = found.figures["validation"]
    assert figures["loss"] == pytest.approx(wanted.item(), rel=1e-4)
    assert figures["accuracy"] == pytest.approx(sk.accuracy_score(mask[counts], answers))
    assert figures["iou"] == pytest.approx(sk.jaccard_score(mask[counts], answers, average="macro"))


def test_a_training_with_batches_of_which_nothing_counts():
    """Of the last rows nothing counts; the loss of an epoch is the mean over all entries that do."""
    rows = segments(40)
    rows["mask"][32:] = -1
    found = run(SEGMENTS.format("epochs = 3\nbatch = 8"), rows, rows.take(np.arange(32, 40)))
    assert all(np.isfinite(e.train["loss"]) for e in found.history)
    assert [e.validation["loss"] for e in found.history] == [0, 0, 0]
    assert np.isnan(found.figures["validation"]["accuracy"])


def test_unreduced_losses_are_averaged_over_the_entries_that_count():
    text = "input x: float[2]\ninput w: float\noutput y: float(ignore=missing)\n" \
           "output k: class(3, ignore=9)\nx -> dense(1) -> y\nx -> dense(3) -> k\ntrain { loss = " \
           "mse(y, reduce=none) * w + 0.5 * cross_entropy(k, reduce=none) * w }\n"  # fmt: skip
    p = program(text)
    graph = specialize.training(p, p.objective)
    model = Model(graph, p.graph.weights, draw(p.graph, 0))
    x, w = torch.randn(7, 2), torch.rand(7)
    y = torch.tensor([1.0, float("nan"), 2, 3, float("nan"), float("nan"), 0])
    k = torch.tensor([-1, 0, 1, 2, -1, 0, -1])
    made = model({"x": x, "w": w, "y": y, "k": k})
    weights = dict(model.named_parameters())
    p_y = functional.linear(x, weights["dense.weight"], weights["dense.bias"])[:, 0]
    p_k = functional.linear(x, weights["dense_2.weight"], weights["dense_2.bias"])
    of_y = ((p_y - y) ** 2 * w)[~y.isnan()].mean()
    of_k = 0.5 * (functional.cross_entropy(p_k, k, ignore_index=-1, reduction="none") * w)[k >= 0].mean()
    torch.testing.assert_close(made["loss"], of_y + of_k)
    torch.testing.assert_close(made["the loss y.loss"], of_y)
    torch.testing.assert_close(made["the loss k.loss"], of_k)


def test_named_losses_are_means_over_the_entries_that_count():
    """Those of single entries, too; in an epoch, over all of its batches."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2)).astype(np.float32)
    y = np.where(rng.random(40) < np.linspace(0, 1, 40), np.nan, x.sum(1)).astype(np.float32)
    rows = InMemoryRows({"x": x, "y": y}, 40)
    text = "input x: float[2]\noutput y: float(ignore=missing)\nx -> dense(1) -> y\ntrain {\n" \
           "high = quantile(y, q=0.9, reduce=none)\nfar = mse(y)\nloss = ramp(0, 1, 4) * high + far\n" \
           "batch = 8\nepochs = 3 }\n"  # fmt: skip
    trained = run(text, rows, rows)
    answer = x @ trained.weights["dense.weight"][0] + trained.weights["dense.bias"]
    known = ~np.isnan(y)
    wanted = {"high": sk.mean_pinball_loss(y[known], answer[known], alpha=0.9),
              "far": sk.mean_squared_error(y[known], answer[known])}  # fmt: skip
    found = trained.figures["validation"]
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-5)
    assert found["loss"] == pytest.approx(wanted["high"] + wanted["far"], rel=1e-5)


def test_outputs_of_which_some_targets_are_missing():
    """The losses of the outputs are those of the rows with a target; so are their figures."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3)).astype(np.float32)
    price, kind = x.sum(1), (x[:, 0] > 0).astype(np.int64)
    price[rng.random(50) < 0.5], kind[rng.random(50) < 0.5] = np.nan, -1
    rows = InMemoryRows({"x": x, "price": price, "kind": kind}, 50)
    text = "input x: float[3]\noutput price: float(ignore=missing)\noutput kind: class(2, ignore=missing)\n" \
           "x -> dense(1) -> price\nx -> dense(2) -> kind\n" \
           "train { epochs = 20\nbatch = 16\noptimizer = adam(lr=0.05) }\n"  # fmt: skip
    figures = run(text, rows, rows).figures["validation"]
    assert figures["loss"] == pytest.approx(figures["price.loss"] + figures["kind.loss"], rel=1e-5)
    assert figures["price.r2"] > 0.9
    assert figures["kind.accuracy"] > 0.9


def test_valid_and_target_in_a_loss_of_ones_own():
    text = "input x: float[2]\noutput y: float(ignore=missing)\nx -> dense(1) -> y\ntrain { loss = " \
           "sum(square(y - where(y.valid, y.target, 0)) * y.valid) }\n"  # fmt: skip
    p = program(text)
    model = Model(specialize.training(p, p.objective), p.graph.weights, draw(p.graph, 0))
    x, y = torch.randn(5, 2), torch.tensor([1.0, float("nan"), 2, 3, float("nan")])
    made = model({"x": x, "y": y})["loss"]
    made.backward()
    weights = dict(model.named_parameters())
    wanted = (functional.linear(x, weights["dense.weight"], weights["dense.bias"])[:, 0] - y) ** 2
    torch.testing.assert_close(made, torch.where(y.isnan(), 0, wanted).mean())
    assert all(w.grad.isfinite().all() for w in weights.values())


# --- augmentation -----------------------------------------------------------------------------------------


def augmented(flow: str, types: str, **fields: torch.Tensor):
    """The targets as augmented in the training form."""
    text = f"input x: float[1, 6, 6]\n{types}\nimage = x -> {flow}\nimage -> conv(2, 1) -> y\n" \
           "image -> conv(1, 1) -> reshape(6, 6) -> depth\n"  # fmt: skip
    p = program(text)
    graph = specialize.training(p, p.objective)
    node = next(n for n in graph.nodes if len(n.results) > 1)
    graph = prune(graph, {v.name: v for v in node.results})
    torch.manual_seed(0)
    return [*Model(graph, (), {})(fields).values()][-2:]


PLAIN = "output y: class(2)[6, 6]\noutput depth: float[6, 6]"
IGNORING = "output y: class(2, ignore=9)[6, 6]\noutput depth: float(ignore=missing)[6, 6]"


@pytest.mark.parametrize("flow", ["random_crop(6, padding=2)", "random_rotate(40)"])
def test_what_comes_from_outside_is_ignored_where_values_are_ignored(flow):
    x, ones = torch.ones(8, 1, 6, 6), torch.ones(8, 6, 6)
    y, depth = augmented(flow, PLAIN, x=x, y=ones.long(), depth=ones)
    assert {*y.unique().tolist()} == {0, 1}
    assert depth.isfinite().all()
    ours, ours_depth = augmented(flow, IGNORING, x=x, y=ones.long(), depth=ones)
    assert torch.equal(ours, torch.where(y == 0, -1, 1))
    assert torch.equal(ours_depth.isnan(), depth < 0.999)
    torch.testing.assert_close(ours_depth[depth >= 0.999], depth[depth >= 0.999])


@pytest.mark.parametrize("flow", ["random_crop(6, padding=2)", "random_rotate(40)", "random_flip(0.5)",
                                  "random_resized_crop(6, scale=[0.3, 0.7])", "cutmix(1)"])  # fmt: skip
def test_ignored_entries_move_with_the_image(flow):
    """Ignored pixels are where a class 0 of their own would be, and where a depth of 0 and 1 is not 1."""
    y = torch.randint(0, 2, (8, 6, 6), generator=torch.Generator().manual_seed(3))
    ignored = torch.rand((8, 6, 6), generator=torch.Generator().manual_seed(4)) < 0.3
    x, depth = torch.rand(8, 1, 6, 6), torch.rand(8, 6, 6)
    ours, ours_depth = augmented(flow, IGNORING, x=x, y=torch.where(ignored, -1, y),
                                 depth=torch.where(ignored, torch.nan, depth))  # fmt: skip
    shifted, known = augmented(flow, PLAIN, x=x, y=torch.where(ignored, 0, y + 1), depth=(~ignored).float())
    assert torch.equal(ours, shifted - 1)
    assert torch.equal(ours_depth.isnan(), known <= 0.999)


def test_mixup_weighs_the_entries_that_count():
    text = "input x: float[4]\noutput k: class(3, ignore=9)\noutput y: float(ignore=missing)\n" \
           "h = x -> mixup(0.5)\nh -> dense(3) -> k\nh -> dense(1) -> y\n"  # fmt: skip
    p = program(text)
    model = Model(specialize.training(p, p.objective), p.graph.weights, draw(p.graph, 0))
    x, k = torch.rand(7, 4), torch.tensor([-1, 0, 1, 2, -1, 0, 1])
    y = torch.tensor([1.0, float("nan"), 2, 3, float("nan"), 0, 5])
    torch.manual_seed(3)
    made = model({"x": x, "k": k, "y": y})["loss"]
    torch.manual_seed(3)
    functions = TorchFunctions({})
    share, partner = Mixup(alpha=0.5).bind(Tensor("float", (4,))).draws(functions, x)
    mixed, weights = share * x + (1 - share) * x[partner], dict(model.named_parameters())
    s = functional.linear(mixed, weights["dense.weight"], weights["dense.bias"])
    v = functional.linear(mixed, weights["dense_2.weight"], weights["dense_2.bias"])[:, 0]

    def loss(k, y):
        return functional.cross_entropy(s, k, ignore_index=-1) + ((v - y) ** 2).nanmean()

    torch.testing.assert_close(made, share * loss(k, y) + (1 - share) * loss(k[partner], y[partner]))
