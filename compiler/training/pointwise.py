"""Losses of every place: a number for each entry of the prediction, and their mean or sum."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from dlc.compiler.definitions.parameter_types import Boolean, Number
from dlc.compiler.operators.base import Example, setting
from dlc.compiler.training.losses import Loss, agree, check_number, reduced, torch_agree
from dlc.compiler.types import Tensor


class Pointwise(Loss, abstract=True):
    meant: ClassVar[str] = "numbers"

    def type(self, prediction: Tensor, target: Tensor) -> Tensor:
        check_number(self, target, self.meant)
        return self.reduced(self.each(prediction, target))

    def each(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The type of the loss of each place."""
        return agree(self, prediction, target)

    def torch_each(self, F, reduction, prediction, target):
        return self.torch_places(F, reduction, *torch_agree(F, prediction, target, *self.operands))

    @abstractmethod
    def torch_places(self, F: Any, reduction: str, prediction: Any, target: Any) -> Any:
        """The same, of a prediction and a target of one shape."""
        raise NotImplementedError


class Mse(Pointwise):
    """Squared error: `(prediction - target) ** 2` (torch `mse_loss`)."""

    def torch_places(self, F, reduction, prediction, target):
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

    def torch_places(self, F, reduction, prediction, target):
        return F.l1_loss(prediction, target, reduction=reduction)

    examples = (
        Example("mae", ("float[3]", "float[3]"), "float"),
        Example("mae(reduce=none)", ("float", "float"), "float"),
        Example("mae", ("float[3]", "float"), rejects="E0203"),
    )


class Huber(Pointwise):
    """`d ** 2 / 2` up to a difference `d` of `delta`, `delta * (d - delta / 2)` beyond
    (torch `huber_loss`)."""

    delta: float = setting("where the square ends", Number(above=0), 1.0, keyword=True)

    def torch_places(self, F, reduction, prediction, target):
        return F.huber_loss(prediction, target, reduction=reduction, delta=self.delta)

    examples = (
        Example("huber", ("float[3]", "float[3]"), "float"),
        Example("huber(delta=0.5, reduce=sum)", ("float[3]", "float[3]"), "float"),
        Example("huber(delta=0)", ("float[3]", "float[3]"), rejects="E0403"),
    )


class Bce(Pointwise):
    """Binary cross-entropy of scores: `-t * log(sigmoid(s)) - (1 - t) * log(1 - sigmoid(s))`.

    Targets are 0 and 1, or probabilities (torch `binary_cross_entropy_with_logits`).
    """

    meant = "yes or no, or probabilities"
    of_scores = ("binary",)

    def torch_places(self, F, reduction, prediction, target):
        return F.binary_cross_entropy_with_logits(prediction, target, reduction=reduction)

    examples = (
        Example("bce", ("float", "bool"), "float"),
        Example("bce", ("float[5]", "float[5]"), "float", low=0, high=1),
        Example("bce(reduce=sum)", ("float[1, H, W]", "bool[1, H, W]"), "float"),
        Example("bce", ("float[3]", "class(3)"), rejects="E0201"),
        Example("bce", ("float[3]", "bool"), rejects="E0203"),
    )


class Poisson(Pointwise):
    """Counts that are expected against counts that came: `p - t * log(p)`, p above 0
    (torch `poisson_nll_loss` with `log_input=False`).

    What the network answers is the count itself: end in `exp` or `softplus`. With `log=true` it is the
    logarithm of the count, `exp(p) - t * p`, as in PyTorch.
    """

    usage = """
    input  x: float[4]
    output visits: float

    x -> dense(16) -> relu -> dense(1) -> exp -> visits

    train { loss = poisson(visits) }
    """

    wants = "predictions above 0, as `exp` and `softplus` make them; with `log=true` small ones"
    log: bool = setting(
        "whether the prediction is the logarithm of the count", Boolean(), False, keyword=True
    )

    def takes_only(self):
        return None if self.log else ("counts above 0", "`exp` or `softplus`")

    def torch_places(self, F, reduction, prediction, target):
        return F.poisson_nll_loss(prediction, target, log_input=self.log, reduction=reduction)

    examples = (
        Example("poisson", ("float[3]", "int64[3]"), "float", low=0.1, high=5),
        Example("poisson(log=true, reduce=sum)", ("float[T, 3]", "float[T, 3]"), "float", low=0, high=2),
        Example("poisson(reduce=none)", ("float", "uint8"), "float", low=0.1, high=5),
        Example("poisson", ("float[3]", "class(3)"), rejects="E0201"),
    )


class Contrastive(Pointwise):
    """Distances of pairs, small where the target says that both are the same, and at least `margin` where
    they are not: `t * d ** 2 + (1 - t) * max(0, margin - d) ** 2` (Hadsell et al. 2006)."""

    usage = """
    net embed(x) { return x -> dense(16) -> relu -> dense(4) }

    input  left, right: float[8]
    output distance: float

    norm(embed(left) - embed(right)) -> distance

    train { loss = contrastive(distance) }
    """

    meant = "whether both are the same"
    margin: float = setting("how far apart what differs should be", Number(above=0), 1.0, keyword=True)

    def torch_places(self, F, reduction, prediction, target):
        apart = F.relu(self.margin - prediction)
        loss = target * prediction**2 + (1 - target) * apart**2
        return reduced(loss, reduction)

    examples = (
        Example("contrastive", ("float", "bool"), "float"),
        Example("contrastive(margin=2, reduce=sum)", ("float[3]", "bool[3]"), "float"),
        Example("contrastive(reduce=none)", ("float", "bool"), "float"),
        Example("contrastive(margin=0)", ("float", "bool"), rejects="E0403"),
        Example("contrastive", ("float[3]", "class(3)"), rejects="E0201"),
    )


class Perceptron(Pointwise):
    """Rosenblatt's rule: `(threshold(s) - t) * s` for scores `s` and targets 0 or 1,
    the threshold held still."""

    meant = "yes or no"
    of_scores = ("binary",)

    def torch_places(self, F, reduction, prediction, target):
        loss = ((prediction >= 0).type_as(prediction) - target) * prediction
        return reduced(loss, reduction)

    examples = (
        Example("perceptron", ("float", "bool"), "float"),
        Example("perceptron(reduce=none)", ("float[2]", "bool[2]"), "float[2]"),
        Example("perceptron", ("float[3]", "class(3)"), rejects="E0201"),
    )
