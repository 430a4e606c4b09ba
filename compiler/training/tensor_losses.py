"""Losses between tensors of the network: divergences, cosine similarity and distances."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dlc.compiler.definitions.parameter_types import Number
from dlc.compiler.operators.base import Example, Reject, setting
from dlc.compiler.training.losses import Loss, agree, reduced
from dlc.compiler.types import Tensor

LEAST = 1e-7  # minimum of a probability, as in Keras


class _BetweenTensors(Loss, abstract=True):
    """A loss without a target: its operands are tensors of the network."""

    takes = "float"
    of_target = False


class KlNormal(_BetweenTensors):
    """Kullback-Leibler divergence of a normal distribution from the standard one (Kingma and Welling 2013):
    `(exp(log_variance) + mean ** 2 - 1 - log_variance) / 2` (torch `distributions.kl_divergence`)."""

    usage = """
    input  x: float[8]
    output again: float[8]

    h            = x -> dense(16) -> relu
    mean_of      = h -> dense(2)
    log_variance = h -> dense(2)
    sample_normal(mean_of, exp(log_variance / 2)) -> dense(16) -> relu -> dense(8) -> again

    train { loss = mse(again, x) + kl_normal(mean_of, log_variance) }
    """

    def type(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        return self.reduced(self.each(mean, log_variance))

    def each(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        return agree(self, mean, log_variance)

    def torch_each(self, F, reduction, mean, log_variance):
        return reduced((log_variance.exp() + mean**2 - 1 - log_variance) / 2, reduction)

    examples = (
        Example("kl_normal", ("float[4]", "float[4]"), "float"),
        Example("kl_normal(reduce=sum)", ("float[T, 4]", "float[T, 4]"), "float"),
        Example("kl_normal(reduce=none)", ("float", "float"), "float"),
        Example("kl_normal", ("float[4]", "float[3]"), rejects="E0203"),
    )


class _OverLast(_BetweenTensors, abstract=True):
    """A loss with one number for each vector along the last axis."""

    def each(self, first: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            agree(self, first, other)
        if not first.rank:
            raise Reject(f"`{self.name}` compares vectors, found single values: {first}", at=0)
        return first.with_shape(*first.shape[:-1])

    def type(self, *vectors: Tensor) -> Tensor:
        return self.reduced(self.each(*vectors))

    def torch_each(self, F, reduction, *vectors):
        return reduced(self.torch_vectors(F, *vectors), reduction)

    def filled(self, F, masks, operands):
        """All vectors have 0 where one of them has an ignored entry."""
        for mask in masks:
            operands = operands if mask is None else tuple(x.where(mask, 0) for x in operands)
        return operands

    def counted(self, mask, type):
        return mask.any(-1)

    @abstractmethod
    def torch_vectors(self, F: Any, *vectors: Any) -> Any:
        """The loss of each vector, unreduced."""
        raise NotImplementedError


class KlDivergence(_OverLast):
    """Kullback-Leibler divergence of the distribution q from p: `sum(p * log(p / q))` over the last axis,
    with probabilities clipped to at least 1e-7 (torch `kl_div`, which takes logarithms).

    `kl_divergence(teacher, y.probabilities)` trains one network on the answers of another (knowledge
    distillation, Hinton et al. 2015).
    """

    usage = """
    input  x: float[4]
    input  teacher: float[3]
    output kind: class(3)

    x -> dense(16) -> relu -> dense(3) -> kind

    train { loss = cross_entropy(kind) + kl_divergence(teacher, kind.probabilities) }
    """
    of_probabilities = True

    def type(self, p: Tensor, q: Tensor) -> Tensor:
        return super().type(p, q)

    def torch_vectors(self, F, p, q):
        return (p * (p.clamp(min=LEAST).log() - q.clamp(min=LEAST).log())).sum(-1)

    examples = (
        Example("kl_divergence", ("float[4]", "float[4]"), "float", low=0.01, high=1),
        Example("kl_divergence(reduce=sum)", ("float[T, 4]", "float[T, 4]"), "float", low=0.01, high=1),
        Example("kl_divergence(reduce=none)", ("float[5, 4]", "float[5, 4]"), "float[5]", low=0.01, high=1),
        Example("kl_divergence", ("float[4]", "float[3]"), rejects="E0203"),
        Example("kl_divergence", ("float", "float"), rejects="E0201"),
    )


class Cosine(_OverLast):
    """1 - the cosine of the angle between two vectors along the last axis (torch `cosine_similarity`)."""

    takes = ("float", "any")
    of_target = True

    def type(self, prediction: Tensor, target: Tensor) -> Tensor:
        if not target.is_number:
            raise Reject(f"`cosine` compares vectors of numbers, and the target is {target}", at="target")
        return super().type(prediction, target)

    def torch_vectors(self, F, prediction, target):
        return 1 - F.cosine_similarity(prediction, target.type_as(prediction), -1)

    examples = (
        Example("cosine", ("float[4]", "float[4]"), "float"),
        Example("cosine(reduce=sum)", ("float[T, 4]", "float[T, 4]"), "float"),
        Example("cosine(reduce=none)", ("float[5, 4]", "float[5, 4]"), "float[5]"),
        Example("cosine", ("float[4]", "float[3]"), rejects="E0203"),
        Example("cosine", ("float", "float"), rejects="E0201"),
        Example("cosine", ("float[4]", "class(4)[4]"), rejects="E0201"),
    )


class InfoNce(_OverLast):
    """Contrastive loss of pairs of vectors: each vector is to find its partner among those of the whole
    batch, by cosine similarity, in both directions (van den Oord et al. 2018, Radford et al. 2021).

    It is the mean of the cross-entropies of the rows and of the columns of `s / temperature`, with the
    partner as the true class; `s` has the cosine similarities of all vectors `a` with all vectors `b`. The
    other rows of the batch are the negatives, so a batch of one row has the loss 0. Rows of which nothing
    counts are no negatives.
    """

    usage = """
    net embed(x) { return x -> dense(16) -> relu -> dense(4) }

    input  left, right: float[8]
    output place: float[4]

    embed(left) -> place

    train {
      loss  = info_nce(place, embed(right), temperature=0.1)
      batch = 256
    }
    """

    of_batch = True
    temperature: float = setting("divisor of the similarities", Number(above=0), 0.07, keyword=True)

    def type(self, a: Tensor, b: Tensor) -> Tensor:
        return super().type(a, b)

    def each(self, a: Tensor, b: Tensor) -> Tensor:
        if a.rank != 1 or b.rank != 1:
            at, other = (0, a) if a.rank != 1 else (1, b)
            raise Reject(f"`info_nce` compares one vector per sample, found {other}", at=at,
                         help="`flatten` makes one axis of several" if other.rank else "")  # fmt: skip
        for at, x in enumerate((a, b)):
            if not x.batched:
                raise Reject(f"`info_nce` compares vectors of each sample; {x} is the same for all", at=at)
        return super().each(a, b)

    def torch_vectors(self, F, a, b):
        return self.torch_pairs(F, self.similarities(F, a, b))

    def valid_losses(self, F, *operands):
        masks = self.masks(F, *operands)
        filled, valid = self.filled(F, masks, operands), self.counted_entries(masks)
        scores = self.similarities(F, *filled).where(valid == valid.unsqueeze(1), -F.inf)
        return self.torch_pairs(F, scores).where(valid, 0), valid, filled

    def similarities(self, F: Any, a: Any, b: Any) -> Any:
        """`s / temperature`."""
        a, b = F.normalize(a, dim=-1), F.normalize(b, dim=-1)
        return a @ b.transpose(0, 1) / self.temperature

    @staticmethod
    def torch_pairs(F: Any, scores: Any) -> Any:
        """The loss of each pair."""
        found = F.log_softmax(scores, 1).diagonal() + F.log_softmax(scores, 0).diagonal()
        return -found / 2

    examples = (
        Example("info_nce", ("float[4]", "float[4]"), "float"),
        Example("info_nce(temperature=0.5, reduce=sum)", ("float[4]", "float[4]"), "float"),
        Example("info_nce(reduce=none)", ("float[4]", "float[4]"), "float"),
        Example("info_nce", ("float[4]", "float[3]"), rejects="E0203"),
        Example("info_nce", ("float", "float"), rejects="E0201"),
        Example("info_nce", ("float[T, 4]", "float[T, 4]"), rejects="E0201"),
        Example("info_nce(temperature=0)", ("float[4]", "float[4]"), rejects="E0403"),
    )


class Triplet(_OverLast):
    """Triplet loss: the anchor is trained to be nearer to the positive than to the negative, by a margin:
    `max(0, |anchor - positive| - |anchor - negative| + margin)`, distances along the last axis
    (Schroff et al. 2015; torch `triplet_margin_loss`)."""

    usage = """
    net embed(x) { return x -> dense(16) -> relu -> dense(4) }

    input  anchor, positive, negative: float[8]
    output place: float[4]

    embed(anchor) -> place

    train { loss = triplet(place, embed(positive), embed(negative)) }
    """

    margin: float = setting("minimum difference of the two distances", Number(minimum=0), 1.0, keyword=True)

    def type(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return super().type(anchor, positive, negative)

    def torch_vectors(self, F, anchor, positive, negative):
        near, far = F.pairwise_distance(anchor, positive), F.pairwise_distance(anchor, negative)
        return F.relu(near - far + self.margin)

    examples = (
        Example("triplet", ("float[4]", "float[4]", "float[4]"), "float"),
        Example("triplet(margin=0.2, reduce=sum)", ("float[T, 4]", "float[T, 4]", "float[T, 4]"), "float"),
        Example("triplet(reduce=none)", ("float[5, 4]", "float[5, 4]", "float[5, 4]"), "float[5]"),
        Example("triplet", ("float[4]", "float[4]", "float[3]"), rejects="E0203"),
        Example("triplet(margin=-1)", ("float[4]", "float[4]", "float[4]"), rejects="E0403"),
    )
