"""The section `train`, and `phase` in it."""

from __future__ import annotations

from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.export_section import ExportName
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
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.diagnostics.suggest import nearest
from dlc.compiler.training.early_stopping import FigureComparison
from dlc.compiler.training.figures import find_figure
from dlc.compiler.training.initial_state import NetOrWeight, WeightSelection
from dlc.compiler.training.keeping import MinutesKeeping
from dlc.compiler.training.minimization import Minimization

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.ir.graph import Value, Weight
    from dlc.compiler.training.early_stopping import Patience
    from dlc.compiler.training.figures import Expectation
    from dlc.compiler.training.initial_state import Load
    from dlc.compiler.training.keeping import Keeping
    from dlc.compiler.training.metrics import Metric
    from dlc.compiler.training.turns import StepSection

EPOCHS = 10


class Train(Minimization):
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

    parts = ("step", "phase")
    of_length = ("epochs", "steps", "early_stop", "until", "keep")  # settings that a resumed run may change
    phase: str = ""  # the name of a phase
    turns: tuple[StepSection, ...] = ()  # the `step` sections, in order
    phases: tuple[Train, ...] = ()  # the `phase` sections, in order
    samples: Mapping[str, Value] = MappingProxyType({})  # the values of `sample`, by name

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
    sample: tuple[Any, ...] = setting(
        "values that are drawn ten times into the folder `samples` of the run, always for the same rows and "
        "noise: pictures if they have one or three channels, else numbers",
        ListOf(ExportName()), (),
    )  # fmt: skip
    keep: Keeping | None = setting(
        "how often the whole state is kept, for `dlc train --resume RUN`: the last two, the best one, and "
        "one at the end",
        OneOf(MemberOf("keeping", "a rule such as `minutes(10)`"), Nothing()), MinutesKeeping(n=10),
    )  # fmt: skip
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

    def trains(self, weight: Weight) -> bool:
        return not self.freezes(weight)

    def selected(self) -> Iterator[tuple[Any, Any]]:
        yield from (("freeze", f) for f in self.freeze)
        yield from (("weights", w.into) for w in self.weights)
        yield from super().selected()

    def check(self) -> None:
        """Reject incompatible settings."""
        if self.epochs is not None and self.steps is not None:
            raise Reject("`epochs` and `steps` cannot both be given", at="steps", code="E0408",
                         help="leave one of them out")  # fmt: skip
        super().check()

    def check_watched(self, figures: Mapping[str, Metric | None], validated: bool) -> None:
        """Reject early stopping on a figure that is not measured. `validated`: there are validation rows."""
        stopping = self.early_stop
        if stopping is None:
            return
        if stopping.part == "validation" and not validated:
            known = find_figure(stopping.figure, figures) is not None
            other = stopping.figure if known else next(iter(figures), "loss")
            raise Reject(f"`early_stop` watches `{stopping.on}`, and there are no validation rows",
                         at="early_stop", code="E0408",
                         help=f"write `{stopping.watching(f'train.{other}')}`, or add "
                              "`validation = 0.1` to `data`")  # fmt: skip
        if find_figure(stopping.figure, figures) is None:
            near = nearest(stopping.figure, figures)
            help = f"available figures: {listed(figures)}"
            if near is not None:
                help = f"did you mean `{stopping.watching(f'{stopping.part}.{near}')}`?"
            if stopping.figure == "loss" and self.turns:
                first = next(iter(figures), "loss")
                help = f"each step has a loss: `on={stopping.part}.{first}`"
            raise Reject(
                f"training does not measure `{stopping.figure}`", at="early_stop", help=help, code="E0606"
            )


class PhaseSection(Train):
    """One of several trainings, one after the other: `phase NAME { }`.

    It has every setting of `train`, and `step` too; what it does not write is as in `train` around it. It
    begins with the weights of the phase before it: those of its best epoch if it stops early, else the last.
    Its optimizer, its schedule and its random numbers begin anew. `expect` and the artifact are those of the
    last phase.
    """

    parts = ("step",)
    usage = """
    input  x: float[4]
    output code: float[2]
    output kind: class(3)

    net encoder(x) { return x -> dense(16) -> relu -> dense(2) }
    net decoder(h) { return h -> dense(16) -> relu -> dense(4) }

    h = x -> standardize -> encoder
    h -> code
    h -> relu -> dense(3) -> kind

    data { source = builtin("iris") }

    train {
      phase reconstruct { loss = mse(decoder(h), standardize(x)) }
      phase classify    { loss = cross_entropy(kind)
                          freeze = decoder }
    }
    """
