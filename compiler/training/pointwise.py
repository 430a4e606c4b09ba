"""Elementwise losses: a number for each entry of the prediction, and their mean or sum."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from dlc.compiler.definitions.parameter_types import Boolean, ListOf, Number, OneOf
from dlc.compiler.operators.base import Example, Reject, setting
from dlc.compiler.output_kinds import class_axis
from dlc.compiler.training.losses import Loss, agree, check_number, reduced, torch_agree
from dlc.compiler.types import Tensor


class Pointwise(Loss, abstract=True):
    targets: ClassVar[str] = "numbers"  # its targets, as a message says it

    def type(self, prediction: Tensor, target: Tensor) -> Tensor:
        check_number(self, target, self.targets)
        return self.reduced(self.each(prediction, target))

    def each(self, prediction: Tensor, target: Tensor) -> Tensor:
        return agree(self, prediction, target)

    def torch_each(self, F, reduction, prediction, target):
        return self.torch_pointwise(F, reduction, *torch_agree(F, prediction, target, *self.operands))

    @abstractmethod
    def torch_pointwise(self, F: Any, reduction: str, prediction: Any, target: Any) -> Any:
        """Same as `torch_each`, of a prediction and a target with the same shape."""
        raise NotImplementedError


class Mse(Pointwise):
    """Squared error: `(prediction - target) ** 2` (torch `mse_loss`)."""

    def torch_pointwise(self, F, reduction, prediction, target):
        return F.mse_loss(prediction, target, reduction=reduction)

    examples = (
        Example("mse", ("float[3]", "float[3]"), "float"),
        Example("mse(reduce=sum)", ("float[T, 3]", "float[T, 3]"), "float"),
        Example("mse(reduce=none)", ("float[3]", "float[3]"), "float[3]"),
        Example("mse", ("float[1]", "float"), "float"),
        Example("mse", ("float[3]", "float[4]"), rejects="E0203"),
        Example("mse", ("float[T]", "float[3]"), rejects="E0204"),
        Example("mse", ("float[3]", "class(3)"), rejects="E0201"),
    )


class Mae(Pointwise):
    """Absolute error: `abs(prediction - target)` (torch `l1_loss`)."""

    def torch_pointwise(self, F, reduction, prediction, target):
        return F.l1_loss(prediction, target, reduction=reduction)

    examples = (
        Example("mae", ("float[3]", "float[3]"), "float"),
        Example("mae(reduce=none)", ("float", "float"), "float"),
        Example("mae", ("float[3]", "float"), rejects="E0203"),
    )


class Huber(Pointwise):
    """`d ** 2 / 2` for absolute differences `d` up to `delta`, `delta * (d - delta / 2)` above
    (torch `huber_loss`)."""

    delta: float = setting("difference at which the loss becomes linear", Number(above=0), 1.0, keyword=True)

    def torch_pointwise(self, F, reduction, prediction, target):
        return F.huber_loss(prediction, target, reduction=reduction, delta=self.delta)

    examples = (
        Example("huber", ("float[3]", "float[3]"), "float"),
        Example("huber(delta=0.5, reduce=sum)", ("float[3]", "float[3]"), "float"),
        Example("huber(delta=0)", ("float[3]", "float[3]"), rejects="E0403"),
    )


class Quantile(Pointwise):
    """Pinball loss, which is minimal at the quantile `q` of the target: `q * (t - p)` below the target,
    `(1 - q) * (p - t)` above it (Koenker and Bassett 1978; scikit-learn `mean_pinball_loss`)."""

    usage = """
    input  x: float[4]
    output high: float

    x -> dense(16) -> relu -> dense(1) -> high

    train {
      loss    = quantile(high, q=0.9)
      metrics = [quantile_coverage]
    }
    """

    q: float = setting("the share of targets that are at or below the prediction", Number(above=0, below=1),
                       keyword=True)  # fmt: skip

    def torch_pointwise(self, F, reduction, prediction, target):
        above = prediction - target
        return reduced(F.maximum((1 - self.q) * above, -self.q * above), reduction)

    examples = (
        Example("quantile(q=0.9)", ("float", "float"), "float"),
        Example("quantile(q=0.1, reduce=sum)", ("float[T, 3]", "float[T, 3]"), "float"),
        Example("quantile(q=0.5, reduce=none)", ("float[3]", "int64[3]"), "float[3]", low=-5, high=5),
        Example("quantile", ("float", "float"), rejects="E0405"),
        Example("quantile(q=1)", ("float", "float"), rejects="E0403"),
        Example("quantile(q=0.5)", ("float[3]", "class(3)"), rejects="E0201"),
    )


class Bce(Pointwise):
    """Binary cross-entropy of scores: `-t * log(sigmoid(s)) - (1 - t) * log(1 - sigmoid(s))`.

    Targets are 0 and 1, or probabilities (torch `binary_cross_entropy_with_logits`). `positive` multiplies
    the first term (torch `pos_weight`); the mean is still over the number of values.
    """

    targets = "booleans or probabilities"
    of_scores = ("binary",)
    positive: float | tuple[float, ...] = setting(
        "the weight of a yes: a number, or a list of one per label (on the axis of the classes of a `class`)",
        OneOf(Number(above=0), ListOf(Number(above=0))),
        1.0,
        keyword=True,
    )

    def each(self, prediction: Tensor, target: Tensor) -> Tensor:
        each = agree(self, prediction, target)
        labels = each.shape[class_axis(each.rank)] if each.rank else 1
        if isinstance(self.positive, tuple) and len(self.positive) != labels:
            raise Reject(f"`positive` has {len(self.positive)} entries for {labels} labels", at="positive",
                         code="E0404")  # fmt: skip
        return each

    def torch_pointwise(self, F, reduction, prediction, target):
        weight: Any = None
        if self.positive != 1:
            weight = prediction.new_tensor(self.positive)
            rank = self.each(*self.operands).rank
            if isinstance(self.positive, tuple) and rank > 1 and class_axis(rank) == 0:
                weight = weight.reshape(-1, *[1] * (rank - 1))
        return F.binary_cross_entropy_with_logits(prediction, target, reduction=reduction, pos_weight=weight)

    examples = (
        Example("bce", ("float", "bool"), "float"),
        Example("bce", ("float[5]", "float[5]"), "float", low=0, high=1),
        Example("bce(reduce=sum)", ("float[1, H, W]", "bool[1, H, W]"), "float"),
        Example("bce(positive=3)", ("float", "bool"), "float"),
        Example("bce(positive=[1, 2, 0.5])", ("float[3]", "float[3]"), "float", low=0, high=1),
        Example("bce(positive=[1, 2], reduce=none)", ("float[2, H, W]", "bool[2, H, W]"), "float[2, H, W]"),
        Example("bce(positive=[1, 2])", ("float[3]", "bool[3]"), rejects="E0404"),
        Example("bce(positive=0)", ("float", "bool"), rejects="E0403"),
        Example("bce", ("float[3]", "class(3)"), rejects="E0201"),
        Example("bce", ("float[3]", "bool"), rejects="E0203"),
    )


class Poisson(Pointwise):
    """Poisson negative log-likelihood of counts: `p - t * log(p)`, p above 0
    (torch `poisson_nll_loss` with `log_input=False`).

    The prediction is the expected count: end in `exp` or `softplus`. With `log=true` it is the logarithm of
    the count, and the loss is `exp(p) - t * p`, as in PyTorch.
    """

    usage = """
    input  x: float[4]
    output visits: float

    x -> dense(16) -> relu -> dense(1) -> exp -> visits

    train { loss = poisson(visits) }
    """

    domain = "predictions above 0, such as results of `exp` and `softplus`; with `log=true` small ones"
    log: bool = setting(
        "whether the prediction is the logarithm of the count", Boolean(), False, keyword=True
    )

    def takes_only(self):
        return None if self.log else ("counts above 0", "`exp` or `softplus`")

    def torch_pointwise(self, F, reduction, prediction, target):
        return F.poisson_nll_loss(prediction, target, log_input=self.log, reduction=reduction)

    examples = (
        Example("poisson", ("float[3]", "int64[3]"), "float", low=0.1, high=5),
        Example("poisson(log=true, reduce=sum)", ("float[T, 3]", "float[T, 3]"), "float", low=0, high=2),
        Example("poisson(reduce=none)", ("float", "uint8"), "float", low=0.1, high=5),
        Example("poisson", ("float[3]", "class(3)"), rejects="E0201"),
    )


class Contrastive(Pointwise):
    """Contrastive loss of distances of pairs, which are trained to be small for equal pairs (target 1) and at
    least `margin` for others: `t * d ** 2 + (1 - t) * max(0, margin - d) ** 2` (Hadsell et al. 2006)."""

    usage = """
    net embed(x) { return x -> dense(16) -> relu -> dense(4) }

    input  left, right: float[8]
    output distance: float

    norm(embed(left) - embed(right)) -> distance

    train { loss = contrastive(distance) }
    """

    targets = "booleans, true for equal pairs"
    margin: float = setting("minimum distance of different pairs", Number(above=0), 1.0, keyword=True)

    def torch_pointwise(self, F, reduction, prediction, target):
        shortfall = F.relu(self.margin - prediction)
        loss = target * prediction**2 + (1 - target) * shortfall**2
        return reduced(loss, reduction)

    examples = (
        Example("contrastive", ("float", "bool"), "float"),
        Example("contrastive(margin=2, reduce=sum)", ("float[3]", "bool[3]"), "float"),
        Example("contrastive(reduce=none)", ("float", "bool"), "float"),
        Example("contrastive(margin=0)", ("float", "bool"), rejects="E0403"),
        Example("contrastive", ("float[3]", "class(3)"), rejects="E0201"),
    )


class Perceptron(Pointwise):
    """Rosenblatt's perceptron rule: `(threshold(s) - t) * s` for scores `s` and targets 0 or 1, without a
    gradient through the threshold."""

    targets = "booleans"
    of_scores = ("binary",)

    def torch_pointwise(self, F, reduction, prediction, target):
        loss = ((prediction >= 0).type_as(prediction) - target) * prediction
        return reduced(loss, reduction)

    examples = (
        Example("perceptron", ("float", "bool"), "float"),
        Example("perceptron(reduce=none)", ("float[2]", "bool[2]"), "float[2]"),
        Example("perceptron", ("float[3]", "class(3)"), rejects="E0201"),
    )
