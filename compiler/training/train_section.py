"""The section `train`."""

from __future__ import annotations

from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import (
    Integer,
    Keyword,
    ListOf,
    MemberOf,
    Nothing,
    Number,
    OneOf,
    Reject,
)
from dlc.compiler.definitions.sections import Section
from dlc.compiler.definitions.tensor_parameter_types import TensorValue
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.compiler.training.adam import Adam
from dlc.compiler.training.early_stopping import FigureComparison
from dlc.compiler.training.figures import find_figure
from dlc.compiler.training.initial_state import NetOrWeight, WeightSelection, by_net
from dlc.compiler.training.optimizers import Optimizers, shares
from dlc.compiler.training.schedules import ConstantSchedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.ir.graph import Value, Weight
    from dlc.compiler.training.early_stopping import Patience
    from dlc.compiler.training.figures import Expectation
    from dlc.compiler.training.gradient_clipping import GradientClip
    from dlc.compiler.training.initial_state import Load
    from dlc.compiler.training.metrics import Metric
    from dlc.compiler.training.optimizers import Optimizer
    from dlc.compiler.training.regularizers import Regularizer
    from dlc.compiler.training.schedules import Schedule

EPOCHS = 10


class LossExpression(TensorValue):
    """A tensor of the graph that training minimizes. The elaborator averages its remaining axes."""

    def describe(self) -> str:
        return "a loss, such as `cross_entropy(y)` or `mse(a) + 0.1 * mae(b)`"

    def of_outputs(self) -> tuple[str, ...]:
        return ("loss",)


class Train(Section):
    """How the weights are trained.

    Another name is bound for the `loss` that uses it: `recon = mse(y)`. A loss with a name is reported beside
    the whole loss: `train.recon`. So are losses of blocks that `loss` uses, and those that have a name there:
    `train.elbo`, `train.elbo.kl`.
    """

    usage = """
    input  flower: float[4]
    output species: class(3)

    flower -> standardize -> dense(16) -> relu -> dense(3) -> species

    data {
      source     = builtin("iris")
      validation = 0.2
    }

    train {
      optimizer  = adamw(lr=0.01)
      schedule   = cosine(warmup=10)
      batch      = 16
      epochs     = 100
      early_stop = patience(20)
      metrics    = [accuracy, f1]
    }
    """

    bound: Mapping[str, Value] = MappingProxyType({})  # the values with names in the section, by name

    loss: Value | None = setting("the loss to minimize", OneOf(LossExpression(), Nothing()), None,
                                 shown="the sum of the losses that the outputs' types imply")  # fmt: skip
    optimizer: tuple[Optimizer, ...] = setting("how weights are updated", Optimizers(), (Adam(),))
    schedule: Schedule = setting("the learning rate at each step", MemberOf("schedule"), ConstantSchedule())
    regularize: tuple[Regularizer, ...] = setting(
        "penalties on weights that are added to the loss", ListOf(MemberOf("regularizer")), ()
    )
    freeze: tuple[Any, ...] = setting(
        "nets and declared weights that are not trained; a frozen net uses its running statistics and does "
        "not update them",
        ListOf(NetOrWeight()), (),
    )  # fmt: skip
    weights: tuple[Load, ...] = setting(
        "trained weights to start from", ListOf(MemberOf("weights", "what `load(...)` reads")), ()
    )
    accumulate: int = setting("number of batches per step (gradient accumulation)", Integer(1), 1)
    ema: float | None = setting("decay of an exponential moving average of the weights, which replaces them "
                                "in validation and the artifact",
                                OneOf(Number(above=0, below=1), Nothing()), None, shown="no average",
                                usual=(0.9, 0.99999))  # fmt: skip
    clip: GradientClip | None = setting(
        "bound on the gradients", OneOf(MemberOf("clip", "a bound such as `norm(1)`"), Nothing()), None
    )
    batch: int | Literal["all"] = setting(
        "rows per batch", OneOf(Integer(1), Keyword("all")), 32, usual=(1, 8192)
    )
    epochs: int | None = setting("passes over the training rows", OneOf(Integer(1), Nothing()), None,
                                 shown=f"{EPOCHS}, unless `steps` is given")  # fmt: skip
    steps: int | None = setting("steps of training, in place of `epochs`", OneOf(Integer(1), Nothing()), None)
    early_stop: Patience | None = setting(
        "when to stop early", OneOf(MemberOf("stopping", "a rule such as `patience(5)`"), Nothing()), None
    )
    until: Expectation | None = setting(
        "a condition, as in `expect`, that ends training after an epoch in which it holds",
        OneOf(FigureComparison(), Nothing()), None,
    )  # fmt: skip
    metrics: tuple[Metric, ...] | None = setting(
        "the metrics",
        OneOf(Nothing(), ListOf(MemberOf("metric"))),
        None,
        shown="chosen by the outputs' types",
    )
    seed: int = setting("seed of initial values, order of rows and random draws", Integer(0, 2**31 - 1), 0)
    precision: str = setting(
        "precision of training: `bf16` is mixed precision in bfloat16, with weights and losses in float32; "
        "`float64` computes all in float64 and rounds weights at the end",
        Keyword("float32", "bf16", "float64"), "float32",
    )  # fmt: skip

    def freezes(self, weight: Weight) -> bool:
        """True for a weight or a running statistic that training does not change."""
        return weight in self._frozen

    @cached_property
    def _frozen(self) -> WeightSelection:
        return WeightSelection(self.freeze)

    def check_weights(self, weights: Sequence[Weight]) -> None:
        """Reject nets and tensors in `freeze`, `weights`, `regularize` and `on=` that have no weights in the
        graph, and weights without an optimizer."""
        named = [
            *(("freeze", f) for f in self.freeze),
            *(("weights", w.into) for w in self.weights),
            *((optimizer, on) for optimizer in self.optimizer for on in optimizer.on),
        ]
        owned, values = by_net(weights), {w.value for w in weights}
        averages = {w.net for w in weights if w.follows}
        for key, selected in named:
            net = getattr(selected, "net", None)
            if net in averages:
                raise Reject(f"`{net}` is an average net: it starts as the net that it follows, and no "
                             "optimizer trains it", at=key, code="E0613",
                             help="leave it out, or name the net that it follows")  # fmt: skip
            if selected is None or net in owned or selected in values:
                continue
            if net:
                raise Reject(f"the net `{net}` has no weights here", at=key, code="E0613",
                             help="use it in the file, or give it a layer")  # fmt: skip
            what, do = ("`freeze`", "freeze") if key == "freeze" else ("`on=`", "name")
            raise Reject(f"{what} takes declared weights, and this is another tensor", at=key, code="E0613",
                         help=f"{do} nets, or what `weight NAME: type` declares")  # fmt: skip
        for regularizer in self.regularize:
            if regularizer.value is not None:
                continue
            among = weights if regularizer.on is None else owned.get(regularizer.on.net, ())
            if not any(w.trainable and regularizer.acts_on(w) for w in among):
                where = "here" if regularizer.on is None else f"in the net `{regularizer.on.net}`"
                raise Reject(f"no layer {where} has weights that `{regularizer.name}` could penalize",
                             at="regularize", code="E0613",
                             help="leave it out: biases, norms, and average or unused nets do not count",
                             )  # fmt: skip
        self._check_shares([w for w in weights if w.trainable])

    def _check_shares(self, weights: Sequence[Weight]) -> None:
        """Reject weights without an optimizer, and entries of a list of optimizers without a weight."""
        free = [w for w in weights if not self.freezes(w)]
        found = shares(self.optimizer, free)
        taken = {w.value for share in found for w in share}
        left = [w.name for w in free if w.value not in taken]
        if left:
            raise Reject(f"no optimizer takes {listed(left)}", at="optimizer", code="E0408",
                         help="add an entry without `on=`, or freeze these weights")  # fmt: skip
        for optimizer, share in zip(self.optimizer, found, strict=True):
            if not share and (optimizer.on or len(self.optimizer) > 1):
                selection = WeightSelection(optimizer.on)
                frozen = bool(optimizer.on) and not any(w in selection for w in free)
                why, help = ("they are frozen", "leave it out, or freeze less") if frozen else \
                    ("entries before it take them, or they are frozen",
                     "leave it out, or name each net in one entry only")  # fmt: skip
                raise Reject(f"this `{optimizer.name}` gets no weights: {why}", at=optimizer, code="E0408",
                             help=help)  # fmt: skip

    def check(self) -> None:
        """Reject incompatible settings."""
        if self.epochs is not None and self.steps is not None:
            raise Reject("`epochs` and `steps` cannot both be given", at="steps", code="E0408",
                         help="leave one of them out")  # fmt: skip
        for optimizer in self.optimizer:
            optimizer.check()
            self.schedule.check(optimizer.lr)
        self._check_list()

    def _check_list(self) -> None:
        """Reject optimizers that cannot be in one list."""
        if sum(not optimizer.on for optimizer in self.optimizer) > 1:
            raise Reject("two entries of the list have no `on=`, and each would take all remaining weights",
                         at="optimizer", code="E0408",
                         help="name the nets or declared weights of one of them: `on=NET`")  # fmt: skip
        recomputing = next((o.name for o in self.optimizer if o.recomputes), "")
        if recomputing and len(self.optimizer) > 1:
            raise Reject(f"`{recomputing}` evaluates the loss several times per step and cannot be combined "
                         "with other optimizers", at="optimizer", code="E0408",
                         help=f"let it train all weights: `optimizer = {recomputing}`")  # fmt: skip
        named = self.schedule.absolute()
        if named and len({optimizer.lr for optimizer in self.optimizer}) > 1:
            raise Reject(f"`{named}` of `{self.schedule.name}` is one learning rate, and those of the "
                         "optimizers differ", at="schedule", code="E0408",
                         help="choose a schedule of factors, such as `cosine` without `to`")  # fmt: skip

    def check_watched(self, figures: Mapping[str, Metric | None], validated: bool) -> None:
        """Reject early stopping on a figure that is not measured. `validated`: there are validation rows."""
        stopping = self.early_stop
        if stopping is None:
            return
        if stopping.part == "validation" and not validated:
            raise Reject(f"`early_stop` watches `{stopping.on}`, and there are no validation rows",
                         at="early_stop", help="write `validation = 0.1` into `data`, or `on=train.loss`",
                         code="E0408")  # fmt: skip
        if find_figure(stopping.figure, figures) is None:
            help = did_you_mean(stopping.figure, figures) or f"available figures: {listed(figures)}"
            raise Reject(
                f"training does not measure `{stopping.figure}`", at="early_stop", help=help, code="E0606"
            )
