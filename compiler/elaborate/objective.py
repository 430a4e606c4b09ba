"""The loss that training minimizes, and the metrics: as written, or implied by the output types."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import family
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.elaborate import decoded_output, flow, outputs
from dlc.compiler.elaborate.values import DefinedStage, Halt, Operand, OutputRef
from dlc.compiler.operators.arithmetic import Add
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.output_kinds import DECODED, KINDS, kind_of
from dlc.compiler.passes.ignored_targets import unreduced_losses
from dlc.compiler.passes.loss_terms import by_output, named_losses, terms
from dlc.compiler.record import record
from dlc.compiler.training.figures import titles
from dlc.compiler.training.objective import BatchMean, CountedEntries
from dlc.compiler.training.phases import Objective, Phase, loss_figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dlc.compiler.elaborate.builder import GraphBuilder
    from dlc.compiler.elaborate.context import Elaboration, Evaluator
    from dlc.compiler.ir.graph import Node, Value, Weight
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.training.metrics import Metric
    from dlc.compiler.training.minimization import Minimization
    from dlc.compiler.training.train_section import Train
    from dlc.compiler.types import Tensor


def total_loss(state: Elaboration, ev: Evaluator, written: Minimization | None, wanted: bool) -> Value | None:
    """The loss that is minimized: as written, or the sum of the losses implied by the output types."""
    try:
        outputs.check_blanks(ev)
        value = (written and written.loss) or implied_loss(state, ev, wanted)
        return None if value is None else averaged(state.builder, value)
    except Halt:
        return None


def averaged(builder: GraphBuilder, loss: Value) -> Value:
    """The loss as one number: the mean over the batch and all remaining axes. If entries are ignored, it is
    the sum of the means of its terms, each over the entries that count."""
    if not loss.type.batched and not loss.type.shape:
        return loss
    parts = [(t, [*unreduced_losses(t, builder.producers)]) for t in terms(builder.nodes, loss)]
    if not any(unreduced for _, unreduced in parts):
        parts = [(loss, [])]
    total: Value | None = None
    for term, unreduced in parts:
        masks = [mask_of(builder, node) for node in unreduced]
        mean = apply(builder, BatchMean(), term, *masks) if term.type.batched or term.type.shape else term
        total = mean if total is None else apply(builder, Add(), total, mean)
    assert total is not None, "a loss has terms"
    return total


def mask_of(builder: GraphBuilder, loss: Node) -> Value:
    """The mask of what counts in an unreduced loss."""
    return apply(builder, CountedEntries(of=loss.operator), *loss.operands)


def apply(builder: GraphBuilder, operator: Operator, *values: Value) -> Value:
    span = values[0].site.span
    return builder.apply(operator, [Operand(value, span) for value in values], span)[0]


def implied_loss(state: Elaboration, ev: Evaluator, wanted: bool) -> Value | None:
    total: Value | None = None
    for output in ev.scope.file.outputs.values():
        if not isinstance(output, OutputRef) or output.scores is None:
            continue
        loss = kind_of(output.declared).loss
        if not loss:
            if wanted and state.builder.weights:
                other = (
                    f"declare `{output.name}` as `binary`, or " if output.declared.element == "bool" else ""
                )
                state.problems.report("E0603", output.span,
                                      f"`{output.name}` is {output.declared.element}, which implies no loss",
                                      help=f"{other}write the loss into "
                                           "`train { loss = ... }`")  # fmt: skip
            return None
        stage = DefinedStage(family("loss")[loss](), (), output.span, {})
        scores = [Operand(output.scores, output.span, output)]
        own = flow.apply(ev.within(ev.scope, losses=True), stage, scores, output.span)
        if total is None:
            total = own
        else:
            total = state.builder.apply(
                Add(), [Operand(total, output.span), Operand(own, output.span)], output.span
            )[0]
    return total


def phases_of(
    state: Elaboration, ev: Evaluator, train: Train, wanted: bool, lost: bool
) -> tuple[PhaseLosses, ...]:
    """The phases with their losses and metrics. A phase has no turns without a loss, or if its loss is `lost`
    in a statement with an error."""
    implied = cache(lambda: None if lost else total_loss(state, ev, None, wanted))
    return tuple(phase_of(state, ev, settings, implied) for settings in train.phases or (train,))


def phase_of(
    state: Elaboration, ev: Evaluator, settings: Train, implied: Callable[[], Value | None]
) -> PhaseLosses:
    written: Sequence[Minimization] = settings.turns or (settings,)
    turns = []
    for minimized in written:
        if minimized.loss is None and (minimized.step or minimized.own("loss")):
            continue  # it is lost
        loss = total_loss(state, ev, minimized, wanted=True) if minimized.loss else implied()
        if loss is not None:
            prefix = f"{minimized.step}." if minimized.step else ""
            named = {**settings.bound, **minimized.bound}
            losses = {prefix + name: of for name, of in reported_losses(state, ev, named, loss).items()}
            turns.append(Turn(minimized, loss, losses))
    return PhaseLosses(settings, tuple(turns), tuple(chosen_metrics(state, ev, settings)))


@record(eq=False)
class Turn:
    """The loss of an objective, and what is reported beside it, before its weights are known."""

    settings: Minimization
    loss: Value
    losses: Mapping[str, tuple[Value, ...]]


@record(eq=False)
class PhaseLosses:
    """A phase before its weights are known."""

    settings: Train
    turns: tuple[Turn, ...]
    metrics: tuple[tuple[str, Metric], ...]

    @property
    def losses(self) -> dict[str, tuple[Value, ...]]:
        """The reported losses, each with its terms."""
        pairs = (((loss_figure(t.settings.step), (t.loss,)), *t.losses.items()) for t in self.turns)
        return {name: terms for of in pairs for name, terms in of}


def with_weights(phases: Sequence[PhaseLosses], weights: Sequence[Weight]) -> tuple[Phase, ...]:
    """The phases with a loss, with the names of the weights that each objective trains."""
    return tuple(
        Phase(p.settings.phase, p.settings,
              tuple(objective(turn, p.settings, weights) for turn in p.turns), p.metrics)
        for p in phases
        if p.turns
    )  # fmt: skip


def objective(turn: Turn, phase: Train, weights: Sequence[Weight]) -> Objective:
    statistics = [w for w in weights if w.role == "statistic"]
    return Objective(
        turn.settings, turn.loss, turn.losses,
        learns=frozenset(w.name for w in weights if w.trainable and turn.settings.trains(w)),
        updates=frozenset(w.name for w in statistics if not w.follows and turn.settings.trains(w)),
        freezes=frozenset(w.name for w in statistics if phase.freezes(w)),
    )  # fmt: skip


def reported_losses(
    state: Elaboration, ev: Evaluator, named: Mapping[str, Value], loss: Value
) -> dict[str, tuple[Value, ...]]:
    """The terms of each loss that is reported beside the whole one, each as one number: those of the outputs,
    `y.loss`, and those that are `named`."""
    outputs = by_output(state.builder.nodes, loss, state.outputs(ev.scope.file))
    own = named_losses(state.graph({"loss": loss}), named)
    known = {f"{output}.loss": terms for output, terms in outputs.items()}
    known |= {name: (value,) for name, value in own.items()}
    return {name: tuple(averaged(state.builder, term) for term in terms) for name, terms in known.items()}


def chosen_metrics(state: Elaboration, ev: Evaluator, train: Train) -> Iterator[tuple[str, Metric]]:
    """The pairs of output and metric: written metrics that fit, or those implied by the type."""
    filled = [o for o in ev.scope.file.outputs.values() if isinstance(o, OutputRef) and o.scores is not None]
    continuing = next((o for o in filled if decoded_output.continues_prompt(state, o)), None)
    for metric in train.metrics or ():
        create_targets(state, ev, metric, filled, continuing)
    used = {o.target for o in filled if o.target_value is not None}
    for output in filled:
        if output.target in used:  # also the target of another output
            create_target(ev, output)
        if output.target_value is not None:
            answered = decoded_output.is_decoded(state, output) and output is not continuing
            wanted = implied_metrics(output.declared, answered) if train.metrics is None else train.metrics
            yield from ((output.name, m) for m in wanted if can_measure(m, output, continuing))


def can_measure(metric: Metric, output: OutputRef, continuing: OutputRef | None) -> bool:
    """Whether a metric fits an output. The answer of an output that is `continuing` a prompt comes after what
    its target has."""
    return metric.fits(output.declared) and not (metric.whole_rows and output is continuing)


def create_target(ev: Evaluator, output: OutputRef) -> None:
    """Create the target of an output, unless another output has the same one of another type."""
    with suppress(Halt):
        outputs.target(ev, output)


def create_targets(
    state: Elaboration,
    ev: Evaluator,
    metric: Metric,
    filled: list[OutputRef],
    continuing: OutputRef | None,
) -> None:
    """Create the targets of the outputs that a written metric fits, if no loss uses them."""
    fitting = [o for o in filled if can_measure(metric, o, continuing)]
    if not any(o.target_value is not None for o in fitting):
        for output in fitting:
            create_target(ev, output)
    if fitting or state.problems.failed:  # failed outputs might have fitted
        return
    if continuing is not None and metric.fits(continuing.declared):
        state.problems.report("E0604", metric.span,
                              f"`{metric.name}` compares a decoded answer with its target, and that of "
                              f"`{continuing.name}` continues its prompt, beyond the target",
                              help="measure `perplexity`, of the steps that the target has")  # fmt: skip
        return
    decoded = next(
        (o for o in filled if o.declared.blank and o.declared.element in metric.for_elements), None
    )
    if decoded is not None:
        state.problems.report("E0604", metric.span,
                              f"`{metric.name}` compares each entry with its target, and the text that `ctc` "
                              f"decodes for `{decoded.name}` has a length of its own",
                              help="measure `edit_distance` or `sequence_accuracy`")  # fmt: skip
    elif filled:
        elements = " or ".join(dict.fromkeys(KINDS[element].word for element in metric.for_elements))
        types = [f"{o.name}: {spell_classes(o.declared)}" for o in filled]
        state.problems.report("E0604", metric.span,
                              f"`{metric.name}` is for outputs of type {elements}{metric.restriction}, "
                              "and the file has none",
                              help=f"its outputs are {listed(types, '{}', 80)}")  # fmt: skip


def reject_duplicates(
    state: Elaboration,
    metrics: Sequence[tuple[str, Metric]],
    types: Mapping[str, Tensor],
    losses: Mapping[str, tuple[Value, ...]],
) -> None:
    """Reject two metrics, or a loss and a metric, that give figures with the same name."""
    seen: set[str] = set()
    for title, (output, metric) in zip(titles(metrics), metrics, strict=True):
        names = {f"{title}{part}" for part in metric.parts(types[output]) or ("*",)}
        if seen & names and metric.span is not None:
            state.problems.report("E0609", metric.span, f"`{title}` is measured twice, under one name",
                                  help="leave one of them out; `average=none` gives a figure for each class, "
                                       "under names of their own")  # fmt: skip
        for name in names & losses.keys():
            state.problems.report("E0609", losses[name][0].site.span,
                                  f"the loss `{name}` has the name of a metric that is measured too",
                                  help="bind it to another name")  # fmt: skip
        seen |= names


def implied_metrics(declared: Tensor, decoded: bool) -> list[Any]:
    """The metrics that an output's type implies; those of decoded answers too, if they are."""
    names = (*kind_of(declared).metrics, *(DECODED.metrics if decoded else ()))
    return [family("metric")[name]() for name in names]
