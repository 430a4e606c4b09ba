"""What minimizes a loss: the settings that `train` and each of its steps have."""

from __future__ import annotations

from abc import abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import ListOf, MemberOf, Nothing, OneOf, Reject
from dlc.compiler.definitions.sections import Section
from dlc.compiler.definitions.tensor_parameter_types import TensorValue
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.training.adam import Adam
from dlc.compiler.training.initial_state import WeightSelection, by_net
from dlc.compiler.training.optimizers import Optimizers, shares
from dlc.compiler.training.schedules import ConstantSchedule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dlc.compiler.ir.graph import Value, Weight
    from dlc.compiler.training.gradient_clipping import GradientClip
    from dlc.compiler.training.optimizers import Optimizer
    from dlc.compiler.training.regularizers import Regularizer
    from dlc.compiler.training.schedules import Schedule


class LossExpression(TensorValue):
    """A tensor of the graph that training minimizes. The elaborator averages its remaining axes."""

    def describe(self) -> str:
        return "a loss, such as `cross_entropy(y)` or `mse(a) + 0.1 * mae(b)`"

    def of_outputs(self) -> tuple[str, ...]:
        return ("loss",)


class Minimization(Section, abstract=True):
    """A loss and how the weights are updated that minimize it."""

    # The parts that it may have, and what belongs to a step alone: its title in figures, and what it names.
    parts: ClassVar[tuple[str, ...]] = ()
    bound: Mapping[str, Value] = MappingProxyType({})  # the values with names in the section, by name
    step: str = ""
    named: Mapping[str, Any] = MappingProxyType({})
    times: int = 1

    loss: Value | None = setting("the loss to minimize", OneOf(LossExpression(), Nothing()), None,
                                 shown="the sum of the losses that the outputs' types imply")  # fmt: skip
    optimizer: tuple[Optimizer, ...] = setting("how weights are updated", Optimizers(), (Adam(),))
    schedule: Schedule = setting("the learning rate at each step", MemberOf("schedule"), ConstantSchedule())
    regularize: tuple[Regularizer, ...] = setting(
        "penalties on weights that are added to the loss", ListOf(MemberOf("regularizer")), ()
    )
    clip: GradientClip | None = setting(
        "bound on the gradients", OneOf(MemberOf("clip", "a bound such as `norm(1)`"), Nothing()), None
    )

    @abstractmethod
    def trains(self, weight: Weight) -> bool:
        """Whether it updates the weight, or the running statistic."""

    def own(self, key: str) -> bool:
        """Whether the setting is written in the section itself, not in a section around it."""
        return key in self.spans

    def selected(self) -> Iterator[tuple[Any, Any]]:
        """The nets and weights that its settings name, each with the setting or the definition."""
        yield from ((optimizer, on) for optimizer in self.optimizer for on in optimizer.on)

    def takes(self, key: Any) -> str:
        """The beginning of a sentence about what a setting of `selected` takes."""
        return f"`{key}` takes" if isinstance(key, str) else "`on=` takes"

    def check_weights(self, weights: Sequence[Weight], minimizes: bool) -> None:
        """Reject nets and tensors of its settings that have no weights in the graph; and, if it `minimizes` a
        loss itself, weights without an optimizer."""
        owned, values = by_net(weights), {w.value for w in weights}
        averages = {w.net for w in weights if w.follows}
        for key, selected in self.selected():
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
            raise Reject(f"{self.takes(key)} declared weights, and this is another tensor", at=key,
                         code="E0613", help="name nets, or what `weight NAME: type` declares")  # fmt: skip
        for regularizer in self.regularize if self.own("regularize") else ():
            if regularizer.value is not None:
                continue
            among = weights if regularizer.on is None else owned.get(regularizer.on.net, ())
            if not any(w.trainable and self.trains(w) and regularizer.acts_on(w) for w in among):
                where = "here" if regularizer.on is None else f"in the net `{regularizer.on.net}`"
                raise Reject(f"no layer {where} has weights that `{regularizer.name}` could penalize",
                             at="regularize", code="E0613",
                             help="leave it out: biases, norms, and average, frozen or unused nets do not "
                                  "count")  # fmt: skip
        self.check_shares([w for w in weights if w.trainable and self.trains(w)], minimizes)

    def check_shares(self, free: Sequence[Weight], minimizes: bool) -> None:
        """Reject weights without an optimizer, and entries of a list of optimizers without a weight."""
        found = shares(self.optimizer, free)
        taken = {w.value for share in found for w in share}
        left = [w.name for w in free if w.value not in taken]
        if left and minimizes:
            raise Reject(f"no optimizer takes {listed(left)}", at="optimizer", code="E0408",
                         help="add an entry without `on=`, or freeze these weights")  # fmt: skip
        for optimizer, share in zip(self.optimizer, found, strict=True):
            if not share and (optimizer.on or len(self.optimizer) > 1) and self.own("optimizer"):
                selection = WeightSelection(optimizer.on)
                frozen = bool(optimizer.on) and not any(w in selection for w in free)
                why, help = ("they are frozen", "leave it out, or freeze less") if frozen else \
                    ("entries before it take them, or they are frozen",
                     "leave it out, or name each net in one entry only")  # fmt: skip
                raise Reject(f"this `{optimizer.name}` gets no weights: {why}", at=optimizer, code="E0408",
                             help=help)  # fmt: skip

    def check(self) -> None:
        """Reject incompatible settings."""
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
