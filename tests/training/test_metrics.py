"""Metrics against scikit-learn and torchmetrics, fed in uneven batches."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
import torchmetrics.functional as tm

from dlc.compiler.training.metrics import (
    F1,
    R2,
    Accuracy,
    Answer,
    Auroc,
    Iou,
    Mae,
    Precision,
    Recall,
    Rmse,
    figures,
)
from dlc.compiler.types import Classes, Tensor

RNG = np.random.default_rng(0)


def measure(metric, type, answer: Answer, target, batches=(1, 7, 64)):
    """The metric of rows fed in uneven batches."""
    state, start = metric.start(type), 0
    sizes = [*batches, len(target)]
    for size in sizes:
        part = slice(start, start + size)
        probability = None if answer.probability is None else answer.probability[part]
        if len(target[part]):
            metric.update(np, state, Answer(answer.value[part], probability), target[part])
        start += size
    return metric.value(np, state)


def classes(n=200, k=5, shape=(), seen=None):
    """Random scores; ties on purpose; class numbers only from `seen`."""
    type = Tensor("class", shape, Classes(k))
    target = RNG.choice(seen or k, (n, *shape))
    scores = np.round(RNG.random((n, *shape, k)) + 0.5 * np.eye(k)[target], 1)
    probabilities = (scores / scores.sum(-1, keepdims=True)).astype(np.float32)
    value = probabilities.argmax(-1)
    first = np.moveaxis(probabilities, -1, 1) if len(shape) >= 2 else probabilities
    return type, Answer(value, first), target, probabilities.reshape(-1, k)


def binaries(n=200, shape=()):
    target = RNG.random((n, *shape)) < 0.3
    probability = np.round(np.clip(RNG.random((n, *shape)) * 0.8 + 0.3 * target, 0, 1), 1).astype(np.float32)
    return Tensor("binary", shape, Classes(2)), Answer(probability >= 0.5, probability), target


@pytest.mark.parametrize("shape", [(), (4,), (3, 4)])
def test_of_classes(shape):
    type, answer, target, probabilities = classes(shape=shape)
    t, v = target.ravel(), answer.value.ravel()
    macro = {"average": "macro", "zero_division": 0}
    expected = {
        Accuracy: sk.accuracy_score(t, v),
        Precision: sk.precision_score(t, v, **macro),
        Recall: sk.recall_score(t, v, **macro),
        F1: sk.f1_score(t, v, **macro),
        Iou: sk.jaccard_score(t, v, **macro),
        Auroc: sk.roc_auc_score(t, probabilities, multi_class="ovr"),
    }
    torch_names = {Precision: tm.precision, Recall: tm.recall, F1: tm.f1_score, Iou: tm.jaccard_index}
    for metric, wanted in expected.items():
        assert measure(metric(), type, answer, target) == pytest.approx(wanted, abs=1e-6), metric.name
    for metric, function in torch_names.items():
        theirs = function(torch.tensor(v), torch.tensor(t), task="multiclass", num_classes=5, average="macro")
        assert measure(metric(), type, answer, target) == pytest.approx(float(theirs), abs=1e-6), metric.name
    theirs = tm.auroc(torch.tensor(probabilities), torch.tensor(t), task="multiclass", num_classes=5)
    assert measure(Auroc(), type, answer, target) == pytest.approx(float(theirs), abs=1e-6)


def test_classes_that_never_occur_do_not_count():
    type, answer, target, _ = classes(k=6, seen=[0, 2, 3])
    value = np.where(answer.value == 5, 0, answer.value)
    answer = Answer(value, answer.probability)
    for metric, theirs in ((Precision, sk.precision_score), (Recall, sk.recall_score), (F1, sk.f1_score)):
        wanted = theirs(target, value, average="macro", zero_division=0)
        assert measure(metric(), type, answer, target) == pytest.approx(wanted)
    seen = [sk.roc_auc_score(target == k, answer.probability[:, k]) for k in (0, 2, 3)]
    assert measure(Auroc(), type, answer, target) == pytest.approx(np.mean(seen), abs=1e-6)


@pytest.mark.parametrize("shape", [(), (1,), (5, 4)])
def test_of_binaries_pooled(shape):
    type, answer, target = binaries(shape=shape)
    t, v, p = target.ravel(), answer.value.ravel(), answer.probability.ravel()
    expected = {
        Accuracy: sk.accuracy_score(t, v),
        Precision: sk.precision_score(t, v),
        Recall: sk.recall_score(t, v),
        F1: sk.f1_score(t, v),
        Iou: sk.jaccard_score(t, v),
        Auroc: sk.roc_auc_score(t, p),
    }
    names = {Accuracy: tm.accuracy, Precision: tm.precision, Recall: tm.recall, F1: tm.f1_score,
             Iou: tm.jaccard_index, Auroc: tm.auroc}  # fmt: skip
    for metric, wanted in expected.items():
        ours = measure(metric(), type, answer, target)
        assert ours == pytest.approx(wanted, abs=1e-6), metric.name
        said = p if metric is Auroc else v.astype(int)
        theirs = names[metric](torch.tensor(said), torch.tensor(t, dtype=torch.int64), task="binary")
        assert ours == pytest.approx(float(theirs), abs=1e-6), metric.name


def test_of_labels_one_by_one():
    type, answer, target = binaries(shape=(4,))
    answer.value[:, 3] = target[:, 3] = False  # a label that never occurs scores 0, as in scikit-learn
    for metric, theirs in ((Precision, sk.precision_score), (Recall, sk.recall_score), (F1, sk.f1_score),
                           (Iou, sk.jaccard_score)):  # fmt: skip
        wanted = theirs(target, answer.value, average="macro", zero_division=0)
        assert measure(metric(), type, answer, target) == pytest.approx(wanted, abs=1e-6), metric.name
    wanted = sk.roc_auc_score(target[:, :3], answer.probability[:, :3], average="macro")
    assert measure(Auroc(), type, answer, target) == pytest.approx(wanted, abs=1e-6)


def test_probabilities_as_binary_targets_count_from_a_half():
    type, answer, target = binaries()
    soft = np.where(target, 0.5, 0.49).astype(np.float32)
    assert measure(F1(), type, answer, soft) == pytest.approx(sk.f1_score(target, answer.value))


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)])
def test_of_numbers(shape):
    target = (1e4 + RNG.normal(size=(200, *shape))).astype(np.float32)
    value = (target + RNG.normal(size=target.shape, scale=0.3)).astype(np.float32)
    type = Tensor("float", shape)
    t, v = target.reshape(200, -1).astype(float), value.reshape(200, -1).astype(float)
    assert measure(Mae(), type, Answer(value), target) == pytest.approx(sk.mean_absolute_error(t, v))
    assert measure(Rmse(), type, Answer(value), target) == pytest.approx(np.sqrt(np.square(t - v).mean()))
    wanted = sk.r2_score(t, v) if len(shape) < 2 else sk.r2_score(t.ravel(), v.ravel())
    assert measure(R2(), type, Answer(value), target) == pytest.approx(wanted)


def test_targets_and_values_of_one_place_meet_whatever_their_shape():
    target = RNG.normal(size=50).astype(np.float32)
    for metric in (Mae(), Rmse(), R2()):
        flat = measure(metric, Tensor("float"), Answer(target + 1), target)
        assert measure(metric, Tensor("float", (1,)), Answer((target + 1)[:, None]), target) == flat


def test_a_target_that_never_varies_is_met_or_not():
    target = np.full((9, 2), 0.1)
    value = target.copy()
    value[0, 1] = 0.2
    assert measure(R2(), Tensor("float", (2,)), Answer(value), target) == 0.5


def test_nothing_to_count_is_not_a_number():
    nothing = Answer(np.zeros(0, np.int64), np.zeros((0, 3), np.float32))
    for metric in (Accuracy(), Precision(), Auroc()):
        assert np.isnan(measure(metric, Tensor("class", (), Classes(3)), nothing, np.zeros(0, np.int64)))
    for metric in (Mae(), Rmse(), R2()):
        assert np.isnan(measure(metric, Tensor("float"), nothing, np.zeros(0)))
    one_sided = Answer(np.array([True, True]), np.array([0.9, 0.8]))
    assert np.isnan(measure(Auroc(), Tensor("binary"), one_sided, np.array([True, True])))


def test_figures_are_named_after_their_output_where_there_are_several():
    assert not Accuracy().fits(Tensor("float"))
    assert not Mae().fits(Tensor("class"))
    assert figures([("digit", F1()), ("digit", Accuracy())]) == ["loss", "f1", "accuracy"]
    assert figures([("digit", F1()), ("side", F1())]) == ["loss", "digit.f1", "side.f1"]
