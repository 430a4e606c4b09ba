"""Metrics compared with scikit-learn and torchmetrics, updated with uneven batches."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
import torchmetrics.functional as tm

from dlc.compiler.definitions.definition import family
from dlc.compiler.dims.dim import free
from dlc.compiler.training.class_metrics import (
    F1,
    Accuracy,
    Auroc,
    ConfusionMatrix,
    Iou,
    Mcc,
    Perplexity,
    Precision,
    Recall,
    TopK,
)
from dlc.compiler.training.figures import figures, find_figure
from dlc.compiler.training.metrics import CountTable, Prediction
from dlc.compiler.training.number_metrics import R2, MaeMetric, Rmse
from dlc.compiler.types import Classes, Tensor

RNG = np.random.default_rng(0)


METRICS = {**family("metric"), "top_k": partial(TopK, k=2)}
MACRO = {"average": "macro", "zero_division": 0}


def untied(p: np.ndarray) -> np.ndarray:
    """Probabilities of which the first of several equal ones is the largest."""
    return p - 1e-6 * np.arange(p.shape[1])


# The reference of each metric for targets `t`, answers `v` and probabilities `p`, flattened to one list.
OF_CLASSES = {
    "accuracy": lambda t, v, p: sk.accuracy_score(t, v),
    "precision": lambda t, v, p: sk.precision_score(t, v, **MACRO),
    "recall": lambda t, v, p: sk.recall_score(t, v, **MACRO),
    "f1": lambda t, v, p: sk.f1_score(t, v, **MACRO),
    "iou": lambda t, v, p: sk.jaccard_score(t, v, **MACRO),
    "auroc": lambda t, v, p: sk.roc_auc_score(t, p, multi_class="ovr"),
    "mcc": lambda t, v, p: sk.matthews_corrcoef(t, v),
    "top_k": lambda t, v, p: sk.top_k_accuracy_score(t, untied(p), k=2, labels=range(p.shape[1])),
    "perplexity": lambda t, v, p: np.exp(-np.log(p[np.arange(len(t)), t].astype(float)).mean()),
    "confusion_matrix": lambda t, v, p: sk.confusion_matrix(t, v, labels=range(p.shape[1])),
}
OF_BINARIES = {
    "accuracy": lambda t, v, p: sk.accuracy_score(t, v),
    "precision": lambda t, v, p: sk.precision_score(t, v),
    "recall": lambda t, v, p: sk.recall_score(t, v),
    "f1": lambda t, v, p: sk.f1_score(t, v),
    "iou": lambda t, v, p: sk.jaccard_score(t, v),
    "auroc": lambda t, v, p: sk.roc_auc_score(t, p),
    "mcc": lambda t, v, p: sk.matthews_corrcoef(t, v),
    "confusion_matrix": lambda t, v, p: sk.confusion_matrix(t, v),
}
# A column for each entry of a vector, one list of all entries for more axes.
OF_NUMBERS = {
    "mae": lambda t, v: sk.mean_absolute_error(t, v),
    "rmse": lambda t, v: np.sqrt(sk.mean_squared_error(t.ravel(), v.ravel())),
    "r2": lambda t, v: sk.r2_score(t, v),
    "mse": lambda t, v: sk.mean_squared_error(t, v),
    "mape": lambda t, v: sk.mean_absolute_percentage_error(t, v),
    "quantile_coverage": lambda t, v: sk.accuracy_score(np.ones(t.size), (t <= v).ravel()),
}
TABLES = {"class": OF_CLASSES, "binary": OF_BINARIES, "bool": OF_BINARIES, "float": OF_NUMBERS,
          "int32": OF_NUMBERS}  # fmt: skip


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_metric_has_a_reference(name):
    measured = [element for element in TABLES if METRICS[name]().fits(Tensor(element))]
    assert measured or METRICS[name]().whole_rows, "those of whole rows are in test_sequence_metrics.py"
    for element in measured:
        assert name in TABLES[element], f"write what `{name}` of `{element}` is into its table"


def measure(metric, type, answer: Prediction, target, batches=(1, 7, 64)):
    """The metric of rows in uneven batches; the counts of a table."""
    value = metric.value(np, fed(metric, type, answer, target, batches))
    return np.array(value.counts) if isinstance(value, CountTable) else value


def fed(metric, type, answer: Prediction, target, batches=(1, 7, 64)):
    state, start = metric.start(type), 0
    sizes = [*batches, len(target)]
    for size in sizes:
        part = slice(start, start + size)
        probability = None if answer.probability is None else answer.probability[part]
        if len(target[part]):
            metric.update(np, state, Prediction(answer.value[part], probability), target[part])
        start += size
    return state


def classes(n=200, k=5, shape=(), seen=None):
    """Random scores with ties; classes only from `seen`."""
    type = Tensor("class", shape, Classes(k))
    target = RNG.choice(seen or k, (n, *shape))
    scores = np.round(RNG.random((n, *shape, k)) + 0.5 * np.eye(k)[target], 1)
    probabilities = (scores / scores.sum(-1, keepdims=True)).astype(np.float32)
    value = probabilities.argmax(-1)
    first = np.moveaxis(probabilities, -1, 1) if len(shape) >= 2 else probabilities
    return type, Prediction(value, first), target, probabilities.reshape(-1, k)


def binaries(n=200, shape=()):
    target = RNG.random((n, *shape)) < 0.3
    probability = np.round(np.clip(RNG.random((n, *shape)) * 0.8 + 0.3 * target, 0, 1), 1).astype(np.float32)
    return Tensor("binary", shape, Classes(2)), Prediction(probability >= 0.5, probability), target


@pytest.mark.parametrize("shape", [(), (4,), (3, 4)])
def test_metrics_of_classes_equal_scikit_learn(shape):
    type, answer, target, probabilities = classes(shape=shape)
    t, v = target.ravel(), answer.value.ravel()
    torch_names = {Precision: tm.precision, Recall: tm.recall, F1: tm.f1_score, Iou: tm.jaccard_index}
    for name, reference in OF_CLASSES.items():
        wanted = reference(t, v, probabilities)
        assert measure(METRICS[name](), type, answer, target) == pytest.approx(wanted, abs=1e-6), name
    for metric, function in torch_names.items():
        theirs = function(torch.tensor(v), torch.tensor(t), task="multiclass", num_classes=5, average="macro")
        assert measure(metric(), type, answer, target) == pytest.approx(float(theirs), abs=1e-6), metric.name
    theirs = tm.auroc(torch.tensor(probabilities), torch.tensor(t), task="multiclass", num_classes=5)
    assert measure(Auroc(), type, answer, target) == pytest.approx(float(theirs), abs=1e-6)


def test_classes_that_do_not_occur_are_ignored():
    type, answer, target, _ = classes(k=6, seen=[0, 2, 3])
    value = np.where(answer.value == 5, 0, answer.value)
    answer = Prediction(value, answer.probability)
    for metric, theirs in ((Precision, sk.precision_score), (Recall, sk.recall_score), (F1, sk.f1_score)):
        wanted = theirs(target, value, average="macro", zero_division=0)
        assert measure(metric(), type, answer, target) == pytest.approx(wanted)
    seen = [sk.roc_auc_score(target == k, answer.probability[:, k]) for k in (0, 2, 3)]
    assert measure(Auroc(), type, answer, target) == pytest.approx(np.mean(seen), abs=1e-6)


@pytest.mark.parametrize("shape", [(), (1,), (5, 4)])
def test_metrics_of_binaries_equal_scikit_learn(shape):
    type, answer, target = binaries(shape=shape)
    t, v, p = target.ravel(), answer.value.ravel(), answer.probability.ravel()
    names = {Accuracy: tm.accuracy, Precision: tm.precision, Recall: tm.recall, F1: tm.f1_score,
             Iou: tm.jaccard_index, Auroc: tm.auroc}  # fmt: skip
    for name, reference in OF_BINARIES.items():
        ours = measure(METRICS[name](), type, answer, target)
        assert ours == pytest.approx(reference(t, v, p), abs=1e-6), name
    for metric, function in names.items():
        ours = measure(metric(), type, answer, target)
        said = p if metric is Auroc else v.astype(int)
        theirs = function(torch.tensor(said), torch.tensor(t, dtype=torch.int64), task="binary")
        assert ours == pytest.approx(float(theirs), abs=1e-6), metric.name


def test_metrics_of_labels_are_computed_per_label():
    type, answer, target = binaries(shape=(4,))
    answer.value[:, 3] = target[:, 3] = (
        False  # a label that does not occur has the score 0, as in scikit-learn
    )
    for metric, theirs in ((Precision, sk.precision_score), (Recall, sk.recall_score), (F1, sk.f1_score),
                           (Iou, sk.jaccard_score)):  # fmt: skip
        wanted = theirs(target, answer.value, average="macro", zero_division=0)
        assert measure(metric(), type, answer, target) == pytest.approx(wanted, abs=1e-6), metric.name
    wanted = sk.roc_auc_score(target[:, :3], answer.probability[:, :3], average="macro")
    assert measure(Auroc(), type, answer, target) == pytest.approx(wanted, abs=1e-6)


def test_binary_targets_are_true_from_one_half():
    type, answer, target = binaries()
    soft = np.where(target, 0.5, 0.49).astype(np.float32)
    assert measure(F1(), type, answer, soft) == pytest.approx(sk.f1_score(target, answer.value))


def test_metrics_of_booleans_equal_scikit_learn():
    _, answer, target = binaries(shape=(3,))
    measured = [name for name, metric in METRICS.items() if metric().fits(Tensor("bool", (3,)))]
    for name in measured:
        wanted = OF_BINARIES[name](target.ravel(), answer.value.ravel(), None)
        assert measure(METRICS[name](), Tensor("bool", (3,)), answer, target) == pytest.approx(wanted), name


@pytest.mark.parametrize("element", ["float", "float64", "int32"])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)])
def test_metrics_of_numbers_equal_scikit_learn(shape, element):
    dtype = {"float": "float32"}.get(element, element)
    target = (1e4 + RNG.normal(size=(200, *shape), scale=9)).astype(dtype)
    value = (target + RNG.normal(size=target.shape, scale=5)).astype(dtype)
    t, v = (x.reshape(200, -1).astype(float) for x in (target, value))
    t, v = (t, v) if len(shape) < 2 else (t.ravel(), v.ravel())
    for name, reference in OF_NUMBERS.items():
        made = measure(METRICS[name](), Tensor(element, shape), Prediction(value), target)
        assert made == pytest.approx(reference(t, v)), name


def test_targets_and_values_of_one_entry_may_differ_in_shape():
    target = RNG.normal(size=50).astype(np.float32)
    for metric in (MaeMetric(), Rmse(), R2()):
        flat = measure(metric, Tensor("float"), Prediction(target + 1), target)
        assert measure(metric, Tensor("float", (1,)), Prediction((target + 1)[:, None]), target) == flat


def test_r2_of_a_constant_target_is_one_or_zero():
    target = np.full((9, 2), 0.1)
    value = target.copy()
    value[0, 1] = 0.2
    assert measure(R2(), Tensor("float", (2,)), Prediction(value), target) == 0.5


def test_r2_of_a_nan_answer_is_nan():
    for target in (np.zeros(4), np.arange(4.0)):
        assert np.isnan(measure(R2(), Tensor("float"), Prediction(np.array([0, np.nan, 2, 3])), target))


def test_mcc_of_one_class_or_one_answer_is_0_and_that_of_labels_a_mean():
    one = Prediction(np.array([1, 1, 1]))
    assert measure(Mcc(), Tensor("class", (), Classes(3)), one, np.array([0, 1, 2])) == 0
    assert measure(Mcc(), Tensor("binary", (), Classes(2)), Prediction(np.ones(3, bool)), np.ones(3)) == 0
    type, answer, target = binaries(shape=(4,))
    wanted = [sk.matthews_corrcoef(target[:, k], answer.value[:, k]) for k in range(4)]
    assert measure(Mcc(), type, answer, target) == pytest.approx(np.mean(wanted))


def test_mcc_of_many_classes_keeps_only_sums():
    type, target = Tensor("class", (), Classes(1_000_000)), np.arange(500)
    assert measure(Mcc(), type, Prediction(target), target) == 1


@pytest.mark.parametrize("k", [1, 2, 4])
def test_top_k_equals_torchmetrics(k):
    type, _, target, _ = classes(shape=(3,))
    p = RNG.dirichlet(np.ones(5), (200, 3)).astype(np.float32)
    theirs = tm.accuracy(torch.tensor(p.reshape(-1, 5)), torch.tensor(target.ravel()), task="multiclass",
                         num_classes=5, top_k=k, average="micro")  # fmt: skip
    assert measure(TopK(k=k), type, Prediction(p.argmax(-1), p), target) == pytest.approx(float(theirs))


def test_top_1_of_equal_probabilities_is_the_accuracy():
    type, answer, target, _ = classes()
    assert measure(TopK(k=1), type, answer, target) == measure(Accuracy(), type, answer, target)
    assert TopK(k=4).fits(type) and not TopK(k=5).fits(type)


def test_a_relative_error_of_a_target_of_0_is_finite():
    value, target = np.array([1.0, 2.0]), np.zeros(2)
    wanted = sk.mean_absolute_percentage_error(target, value)
    assert measure(METRICS["mape"](), Tensor("float"), Prediction(value), target) == pytest.approx(wanted)


def test_metrics_without_rows_are_nan():
    nothing = Prediction(np.zeros(0, np.int64), np.zeros((0, 3), np.float32))
    for metric in (Accuracy(), Precision(), Auroc(), Mcc(), TopK(k=2)):
        assert np.isnan(measure(metric, Tensor("class", (), Classes(3)), nothing, np.zeros(0, np.int64)))
    for metric in (MaeMetric(), Rmse(), R2()):
        assert np.isnan(measure(metric, Tensor("float"), nothing, np.zeros(0)))
    one_sided = Prediction(np.array([True, True]), np.array([0.9, 0.8]))
    assert np.isnan(measure(Auroc(), Tensor("binary"), one_sided, np.array([True, True])))


def test_figures_are_named_after_their_output_where_there_are_several():
    assert not Accuracy().fits(Tensor("float"))
    assert not MaeMetric().fits(Tensor("class"))
    types = {"digit": Tensor("class", (), Classes(10)), "side": Tensor("binary", (), Classes(2))}
    assert list(figures([("digit", F1()), ("digit", Accuracy())], types, ["loss"])) == [
        "loss",
        "f1",
        "accuracy",
    ]
    assert list(figures([("digit", F1()), ("side", F1())], types, ["loss"])) == [
        "loss",
        "digit.f1",
        "side.f1",
    ]


@pytest.mark.parametrize("shape", [(), (3, 4)])
@pytest.mark.parametrize("average", ["macro", "weighted", "micro", None])
def test_classes_are_averaged_as_set(average, shape):
    type, answer, target, p = classes(k=6, seen=[0, 2, 3, 5], shape=shape)
    t, v = target.ravel(), answer.value.ravel()
    theirs = {Precision: sk.precision_score, Recall: sk.recall_score, F1: sk.f1_score, Iou: sk.jaccard_score}
    for metric, function in theirs.items():
        labels = sorted({*t, *v}) if average == "macro" else range(6)
        wanted = np.atleast_1d(function(t, v, labels=labels, average=average, zero_division=0)).astype(float)
        if average is None:
            wanted[[k not in {*t, *v} for k in range(6)]] = np.nan
        made = metric(average=average).figures(np, fed(metric(average=average), type, answer, target))
        np.testing.assert_allclose(made, wanted, atol=1e-6, err_msg=metric.__name__)
    truth = t[:, None] == np.arange(6)
    areas = [sk.roc_auc_score(truth[:, k], p[:, k]) if truth[:, k].any() else np.nan for k in range(6)]
    wanted = {
        "macro": np.nanmean(areas),
        "weighted": np.nansum(areas * truth.mean(0)),
        "micro": sk.roc_auc_score(truth.ravel(), p.ravel()),
        None: areas,
    }[average]
    metric = Auroc(average=average)
    made = metric.figures(np, fed(metric, type, answer, target))
    np.testing.assert_allclose(made, np.atleast_1d(wanted), atol=1e-6)


def test_metrics_of_many_classes_keep_only_sums():
    type, target = Tensor("class", (), Classes(1_000_000)), np.arange(500)
    answer = Prediction(np.where(target < 100, target, target + 1))
    assert measure(F1(average="micro"), type, answer, target) == pytest.approx(0.2)


@pytest.mark.parametrize("average", ["macro", "weighted", "micro", None])
def test_labels_are_averaged_as_set(average):
    type, answer, target = binaries(shape=(4,))
    for metric, function in ((F1, sk.f1_score), (Iou, sk.jaccard_score), (Recall, sk.recall_score)):
        wanted = function(target, answer.value, average=average, zero_division=0)
        made = metric(average=average).figures(np, fed(metric(average=average), type, answer, target))
        np.testing.assert_allclose(made, np.atleast_1d(wanted), atol=1e-6, err_msg=metric.__name__)
    wanted = sk.roc_auc_score(target, answer.probability, average=average)
    metric = Auroc(average=average)
    made = metric.figures(np, fed(metric, type, answer, target))
    np.testing.assert_allclose(made, np.atleast_1d(wanted), atol=1e-6)


def test_perplexity_equals_torchmetrics():
    type, answer, target, _ = classes(shape=(4,))
    scores = torch.tensor(answer.probability).log()
    wanted = tm.text.perplexity(scores, torch.tensor(target))
    assert measure(Perplexity(), type, answer, target) == pytest.approx(float(wanted), rel=1e-5)
    sure = Prediction(np.array([0]), np.array([[1.0, 0.0]], np.float32))
    assert np.isfinite(measure(Perplexity(), Tensor("class", (), Classes(2)), sure, np.array([1])))


def test_figures_of_classes_have_their_names_or_numbers():
    metric, counted = F1(average=None), ConfusionMatrix()
    named = Tensor("class", (), Classes(3, ("cat", "sea lion", "dog")))
    pairs = [("kind", metric), ("kind", counted)]
    assert list(figures(pairs, {"kind": named}, ["loss"])) == ["loss", "f1.cat", "f1[1]", "f1.dog"]
    assert list(figures(pairs, {"kind": Tensor("class", (), Classes(2))}, ["loss"])) == [
        "loss",
        "f1[0]",
        "f1[1]",
    ]
    assert list(figures(pairs, {"kind": Tensor("binary", (2,))}, ["loss"])) == ["loss", "f1[0]", "f1[1]"]
    waiting = figures(pairs, {"kind": Tensor("class", (), Classes(free("kind.classes")))}, ["loss"])
    assert find_figure("f1.anything", waiting)
    assert not find_figure("f1", waiting)
    assert not find_figure("recall.cat", waiting)
    assert np.isnan(metric.figures(np, metric.start(named))).all()
    table = counted.value(np, counted.start(named))
    assert table == CountTable(("cat", "sea lion", "dog"), ((0, 0, 0),) * 3)
