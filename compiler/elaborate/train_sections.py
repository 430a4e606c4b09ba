"""The section `train`, with its steps and phases."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from dlc.compiler import syntax
from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.definitions.unimplemented import unimplemented_words
from dlc.compiler.elaborate import arguments, exports, loss_bindings
from dlc.compiler.elaborate.section_settings import PARTS_OF_TRAIN, filled, report_statement, statements_of
from dlc.compiler.elaborate.values import Halt
from dlc.compiler.ir.graph import Value
from dlc.compiler.training.initial_state import NetOrWeight
from dlc.compiler.training.train_section import PhaseSection, Train
from dlc.compiler.training.turns import StepSection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dlc.compiler.elaborate.context import Elaboration, Evaluator
    from dlc.compiler.training.metrics import Metric
    from dlc.compiler.training.minimization import Minimization

AnyTrain = TypeVar("AnyTrain", bound=Train)
INHERITED = ("optimizer", "schedule", "regularize", "clip")  # by a step
EXCLUSIVE = {"epochs": "steps", "steps": "epochs"}


def read(ev: Evaluator, written: syntax.Section | None) -> Train:
    """The section `train`."""
    return training(ev, Train, written, None) if written is not None else Train()


def training(
    ev: Evaluator, definition: type[AnyTrain], written: syntax.Section, around: Train | None
) -> AnyTrain:
    """`train`, or a phase with the settings that it takes from `around`."""
    inner, settings, parts = opened(ev, definition, written)
    made = filled(inner, definition, written, settings, inherited(around, settings))
    made = made.knowing(bound=loss_bindings.named_values(inner.scope, ev.scope))
    turns = tuple(step(inner, part) for part in parts if part.name.id == "step")
    check_loss_beside_steps(ev, made, turns)
    if around is not None:
        turns = turns or (() if made.own("loss") else around.turns)
        made = made.knowing(title=written.of[0].id if written.of else "")
    turns = tuple(placed_in(made, turn) for turn in titled(turns))
    made = made.knowing(turns=turns, samples=dict(sampled(inner, made)))
    phases = [part for part in parts if part.name.id == "phase"]
    return made.knowing(phases=phases_of(inner, phases, made))


def sampled(ev: Evaluator, train: Train) -> Iterator[tuple[str, Value]]:
    """The values of `sample`, by name."""
    outputs = {o.name: o for o in ev.state.outputs(ev.scope.file)}
    for entry in train.sample:
        try:
            value = exports.export_value(ev, entry, outputs)
        except Halt:
            continue
        yield entry.name, value if isinstance(value, Value) else value.flowed


def inherited(around: Train | None, settings: Sequence[syntax.Bind]) -> dict[str, Any]:
    """The settings of `around` that a phase takes: all but the weights to load, and without `epochs` where it
    counts its own `steps`."""
    if around is None:
        return {}
    own = {target.id for s in settings for target in s.targets}
    left_out = {"weights", *(EXCLUSIVE[name] for name in own & EXCLUSIVE.keys())}
    return {name: value for name, value in around.values().items() if name not in left_out}


def opened(
    ev: Evaluator, definition: type[Minimization], written: syntax.Section
) -> tuple[Evaluator, list[syntax.Bind], list[syntax.Section]]:
    """An evaluator that knows the names that the section binds, its settings, and its steps and phases."""
    allowed = (
        PARTS_OF_TRAIN if definition is Train else PARTS_OF_TRAIN[:1] if definition is PhaseSection else ()
    )
    statements = [*statements_of(ev, written.body)]
    parts = [s for s in statements if isinstance(s, syntax.Section) and s.name.id in allowed]
    binds = [s for s in statements if isinstance(s, syntax.Bind)]
    for statement in statements:
        if statement not in parts and statement not in binds:
            report_statement(ev, statement)
    taken = {*definition.settings, *unimplemented_words("train")}
    lost = ev.state.recovery.has_error_in(written.span)
    inner, settings = loss_bindings.run(ev, binds, parts, taken, lost=lost)
    return inner, settings, parts


def step(ev: Evaluator, written: syntax.Section) -> StepSection:
    """One of the steps that take turns."""
    inner, settings, _ = opened(ev, StepSection, written)
    made = filled(inner, StepSection, written, settings)
    if made.loss is None and not any(s.targets[0].id == "loss" for s in settings):
        ev.state.problems.report("E0602", written.name.span, "this step has no loss",
                                 help="write what it minimizes: `loss = ...`")  # fmt: skip
    nets = [net for name in written.of for net in named_net(ev, name)]
    spans = {**made.spans, "step": written.of[0].span if written.of else written.name.span}
    return made.placed(written.name.span, spans).knowing(
        nets=tuple(nets), names=tuple(name.id for name in written.of),
        bound=loss_bindings.named_values(inner.scope, ev.scope),
    )  # fmt: skip


def named_net(ev: Evaluator, name: syntax.Ident) -> Iterator[Any]:
    """The net or the declared weight that a step names; nothing after an error."""
    try:
        value = arguments.read(ev, NetOrWeight(), syntax.Name(name.span, name.id))
        yield NetOrWeight().accept(value)
    except Reject as reject:
        ev.state.problems.report(reject.code, name.span, f"a step names nets and weights: {reject.message}",
                                 help=reject.help)  # fmt: skip
    except Halt:
        return


def titled(turns: Sequence[StepSection]) -> tuple[StepSection, ...]:
    """The steps with their names in figures: the first name of each, numbered from the second step on."""
    seen: Counter[str] = Counter()
    found = []
    for turn in turns:
        name = turn.names[0] if turn.names else "step"
        seen[name] += 1
        found.append(turn.knowing(title=name if seen[name] == 1 else f"{name}_{seen[name]}"))
    return tuple(found)


def placed_in(around: Train, turn: StepSection) -> StepSection:
    """A step within `train` or a phase, which gives it the settings that it does not write."""
    values = {name: getattr(around, name) for name in INHERITED if not turn.own(name)}
    return turn.knowing(frozen=around.freeze, **values)


def check_loss_beside_steps(ev: Evaluator, made: Train, turns: Sequence[StepSection]) -> None:
    if turns and made.own("loss"):
        ev.state.problems.report("E0408", made.spans["loss"], "`loss` cannot stand beside a `step`",
                                 help="give it a step of its own: `step NET { loss = ... }`")  # fmt: skip


def phases_of(ev: Evaluator, written: Sequence[syntax.Section], around: Train) -> tuple[Train, ...]:
    """The phases of `train`. Two of one name are reported."""
    seen: set[str] = set()
    for part in written:
        name = part.of[0].id if part.of else ""
        if name in seen or len(part.of) != 1:
            message = f"there are two phases `{name}`" if name in seen else "a phase has one name"
            ev.state.problems.report("E0303", (part.of or (part.name,))[0].span, message,
                                     help="give each phase its own name: `phase NAME { ... }`")  # fmt: skip
        seen.add(name)
    return tuple(training(ev, PhaseSection, part, around) for part in written)


def check(
    state: Elaboration,
    train: Train,
    written: syntax.Section | None,
    measured: Mapping[str, Metric | None],
    validated: bool,
    uncertain: bool,
) -> None:
    """Check settings of `train` against each other and, unless `uncertain`, against the measured figures."""
    for part in train.turns or (train,):
        with report_rejects(state, part, written):
            part.check()
    with report_rejects(state, train, written):
        if not uncertain:
            train.check_watched(measured, validated)


def check_weights(state: Elaboration, train: Train, written: syntax.Section | None) -> None:
    """Check that weights to freeze, load or regularize exist, unless an error may have removed them."""
    if state.problems.failed:
        return
    weights = tuple(state.builder.weights.values())
    for phase in train.phases or (train,):
        for part in phase.turns or (phase,):
            with report_rejects(state, part, written):
                part.check_weights(weights)


@contextmanager
def report_rejects(state: Elaboration, part: Minimization, written: syntax.Section | None) -> Iterator[None]:
    """Report a `Reject` of a check of a section at the setting that it names."""
    try:
        yield
    except Reject as reject:
        own = reject.at.span if isinstance(reject.at, Definition) else part.spans.get(str(reject.at))
        span = own or part.span or (written and written.name.span)
        assert span is not None, "a default setting was rejected"
        state.problems.report(reject.code, span, reject.message, help=reject.help)
