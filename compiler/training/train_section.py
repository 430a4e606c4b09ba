"""The section `train`."""

from __future__ import annotations

from functools import cached_property
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
from dlc.compiler.training.initial_state import Meant, NetOrWeight, by_net
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
    """A scalar of the graph that training makes small; axes that are left are averaged by the elaborator."""

    def describe(self) -> str:
        return "a loss, such as `cross_entropy(y)` or `mse(a) + 0.1 * mae(b)`"

    def of_outputs(self) -> tuple[str, ...]:
        return ("loss",)


class Train(Section):
    """How the weights are learnt."""

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

    loss: Value | None = setting("what is made small", OneOf(LossExpression(), Nothing()), None,
                                 shown="the sum of the losses that the outputs' types imply")  # fmt: skip
    optimizer: tuple[Optimizer, ...] = setting("how weights follow their gradients", Optimizers(), (Adam(),))
    schedule: Schedule = setting("the learning rate at each step", MemberOf("schedule"), ConstantSchedule())
    regularize: tuple[Regularizer, ...] = setting(
        "added to the loss to keep weights small", ListOf(MemberOf("regularizer")), ()
    )
    freeze: tuple[Any, ...] = setting(
        "nets and declared weights that are held still; a frozen net uses and keeps its running statistics",
        ListOf(NetOrWeight()), (),
    )  # fmt: skip
    weights: tuple[Load, ...] = setting(
        "trained weights to begin with", ListOf(MemberOf("weights", "what `load(...)` reads")), ()
    )
    accumulate: int = setting("batches taken together for one step", Integer(1), 1)
    ema: float | None = setting("decay of a moving average of the weights, which stands in for them in "
                                "validation and the artifact",
                                OneOf(Number(above=0, below=1), Nothing()), None, shown="no average",
                                usual=(0.9, 0.99999))  # fmt: skip
    clip: GradientClip | None = setting(
        "bound on the gradients", OneOf(MemberOf("clip", "a bound such as `norm(1)`"), Nothing()), None
    )
    batch: int | Literal["all"] = setting(
        "rows in a step", OneOf(Integer(1), Keyword("all")), 32, usual=(1, 8192)
    )
    epochs: int | None = setting("passes over the training rows", OneOf(Integer(1), Nothing()), None,
                                 shown=f"{EPOCHS}, unless `steps` is given")  # fmt: skip
    steps: int | None = setting("steps of training, in place of `epochs`", OneOf(Integer(1), Nothing()), None)
    early_stop: Patience | None = setting(
        "when to stop early", OneOf(MemberOf("stopping", "a rule such as `patience(5)`"), Nothing()), None
    )
    until: Expectation | None = setting(
        "ends training after an epoch where it holds; it is measured as `expect` measures it",
        OneOf(FigureComparison(), Nothing()), None,
    )  # fmt: skip
    metrics: tuple[Metric, ...] | None = setting(
        "what is measured beside the loss",
        OneOf(Nothing(), ListOf(MemberOf("metric"))),
        None,
        shown="chosen by the outputs' types",
    )
    seed: int = setting("seed of initial values, order of rows and draws", Integer(0, 2**31 - 1), 0)
    precision: str = setting(
        "how training computes: `bf16` in bfloat16 where that is safe, with weights and losses in float32; "
        "`float64` throughout, weights rounded at the end",
        Keyword("float32", "bf16", "float64"), "float32",
    )  # fmt: skip

    def freezes(self, weight: Weight) -> bool:
        """True for a weight, or a statistic, that training leaves as it is."""
        return weight in self._frozen

    @cached_property
    def _frozen(self) -> Meant:
        return Meant(self.freeze)

    def check_weights(self, weights: Sequence[Weight]) -> None:
        """Reject what is frozen, loaded into, kept small or given to an optimizer, where it has none of the
        weights of the graph; and weights that no optimizer takes."""
        named = [
            *(("freeze", f) for f in self.freeze),
            *(("weights", w.into) for w in self.weights),
            *((optimizer, on) for optimizer in self.optimizer for on in optimizer.on),
        ]
        owned, values = by_net(weights), {w.value for w in weights}
        for key, meant in named:
            net = getattr(meant, "net", None)
            if meant is None or net in owned or meant in values:
                continue
            if net:
                raise Reject(f"the net `{net}` has no weights here", at=key, code="E0613",
                             help="use it in the file, or give it a layer")  # fmt: skip
            what, do = ("frozen", "freeze") if key == "freeze" else ("given to an optimizer", "name")
            raise Reject(f"what is {what} is a tensor, and no declared weight", at=key, code="E0613",
                         help=f"{do} nets, or what `weight NAME: type` declares")  # fmt: skip
        for regularizer in self.regularize:
            if regularizer.value is not None:
                continue
            among = weights if regularizer.on is None else owned.get(regularizer.on.net, ())
            if not any(map(regularizer.acts_on, among)):
                where = "here" if regularizer.on is None else f"in the net `{regularizer.on.net}`"
                raise Reject(f"no layer {where} has weights that `{regularizer.name}` could keep small",
                             at="regularize", code="E0613",
                             help="leave it out: biases, norms and unused nets do not count")  # fmt: skip
        self._check_shares([w for w in weights if w.trainable])

    def _check_shares(self, weights: Sequence[Weight]) -> None:
        """Each weight has an optimizer, and each entry of a list of optimizers a weight."""
        free = [w for w in weights if not self.freezes(w)]
        found = shares(self.optimizer, free)
        taken = {w.value for share in found for w in share}
        left = [w.name for w in free if w.value not in taken]
        if left:
            raise Reject(f"no optimizer takes {listed(left)}", at="optimizer", code="E0408",
                         help="add an entry without `on=`, or freeze what is to stay as it is")  # fmt: skip
        for optimizer, share in zip(self.optimizer, found, strict=True):
            if not share and (optimizer.on or len(self.optimizer) > 1):
                meant = Meant(optimizer.on)
                frozen = bool(optimizer.on) and not any(w in meant for w in free)
                why, help = ("they are frozen", "leave it out, or freeze less") if frozen else \
                    ("entries before it take them, or they are frozen",
                     "leave it out, or name in each entry what no other names")  # fmt: skip
                raise Reject(f"this `{optimizer.name}` gets no weights: {why}", at=optimizer, code="E0408",
                             help=help)  # fmt: skip

    def check(self) -> None:
        """Reject settings that do not go together."""
        if self.epochs is not None and self.steps is not None:
            raise Reject("`epochs` and `steps` cannot both be given", at="steps", code="E0408",
                         help="leave one of them out")  # fmt: skip
        for optimizer in self.optimizer:
            optimizer.check()
            self.schedule.check(optimizer.lr)
        self._check_list()

    def _check_list(self) -> None:
        """Reject optimizers that cannot stand in one list."""
        if sum(not optimizer.on for optimizer in self.optimizer) > 1:
            raise Reject("two entries of the list have no `on=`, and each would take all that is left",
                         at="optimizer", code="E0408",
                         help="name the nets or declared weights of one of them: `on=NET`")  # fmt: skip
        whole = next((o.name for o in self.optimizer if o.recomputes), "")
        if whole and len(self.optimizer) > 1:
            raise Reject(f"`{whole}` computes the loss several times in a step: no other can stand beside it",
                         at="optimizer", code="E0408",
                         help=f"let it change all weights: `optimizer = {whole}`")  # fmt: skip
        named = self.schedule.absolute()
        if named and len({optimizer.lr for optimizer in self.optimizer}) > 1:
            raise Reject(f"`{named}` of `{self.schedule.name}` is one learning rate, and those of the "
                         "optimizers differ", at="schedule", code="E0408",
                         help="choose a schedule of factors, as `cosine` without `to`")  # fmt: skip

    def check_watched(self, figures: Mapping[str, Metric | None], validated: bool) -> None:
        """Reject early stopping on what is not measured; `validated` says that there are validation rows."""
        stopping = self.early_stop
        if stopping is None:
            return
        if stopping.part == "validation" and not validated:
            raise Reject(f"`early_stop` watches `{stopping.on}`, and there are no validation rows",
                         at="early_stop", help="write `validation = 0.1` into `data`, or `on=train.loss`",
                         code="E0408")  # fmt: skip
        if find_figure(stopping.figure, figures) is None:
            help = did_you_mean(stopping.figure, figures) or f"it measures {listed(figures)}"
            raise Reject(
                f"training does not measure `{stopping.figure}`", at="early_stop", help=help, code="E0606"
            )
