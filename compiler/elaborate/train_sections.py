"""The section `train`, with its steps and phases."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.definitions.unimplemented import unimplemented_words
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.elaborate import arguments, exports, loss_bindings
from dlc.compiler.elaborate.scope import find_operator
from dlc.compiler.elaborate.section_settings import filled, report_statement, statements_of
from dlc.compiler.elaborate.unknown_names import unresolved
from dlc.compiler.elaborate.values import BROKEN, AverageTemplate, Halt
from dlc.compiler.ir.graph import Value
from dlc.compiler.ir.names import UniqueNames
from dlc.compiler.training.initial_state import NetOrWeight
from dlc.compiler.training.train_section import PhaseSection, Train
from dlc.compiler.training.turns import StepSection, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dlc.compiler.elaborate.context import Elaboration, Evaluator
    from dlc.compiler.training.metrics import Metric
    from dlc.compiler.training.minimization import Minimization

INHERITED = ("optimizer", "schedule", "regularize", "clip")  # by a step
EXCLUSIVE = {"epochs": "steps", "steps": "epochs"}


def read(ev: Evaluator, written: syntax.Section | None) -> Train:
    """The section `train`."""
    return training(ev, Train, written, None) if written is not None else Train()


def training(ev: Evaluator, definition: type[Train], written: syntax.Section, around: Train | None) -> Train:
    """`train`, or a phase with the settings that it takes from `around`."""
    inner, settings, parts = opened(ev, definition, written)
    made = filled(inner, definition, written, settings, inherited(around, settings))
    bound = loss_bindings.named_values(inner.scope, ev.scope)
    made = made.knowing(bound={**(around.bound if around else {}), **bound})
    turns = tuple(step(inner, part, made) for part in parts if part.name.id == "step")
    check_loss_beside_steps(ev, made, turns)
    if around is not None:
        turns = turns or (() if made.own("loss") else tuple(taken(turn, made) for turn in around.turns))
        made = made.knowing(phase=written.of[0].id if written.of else "")
    made = made.knowing(turns=titled(turns), samples=dict(sampled(inner, made)))
    phases = phases_of(inner, [part for part in parts if part.name.id == "phase"], made)
    check_used(ev, made, phases)
    return made.knowing(phases=phases)


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
    statements = [*statements_of(ev, written.body)]
    parts = [s for s in statements if isinstance(s, syntax.Section) and s.name.id in definition.parts]
    binds = [s for s in statements if isinstance(s, syntax.Bind)]
    for statement in statements:
        if statement not in parts and statement not in binds:
            report_statement(ev, statement, definition.name)
    taken = {*definition.settings, *unimplemented_words("train")}
    lost = ev.state.recovery.has_error_in(written.span)
    inner, settings = loss_bindings.run(ev, binds, parts, taken, lost=lost)
    return inner, settings, parts


def step(ev: Evaluator, written: syntax.Section, around: Train) -> StepSection:
    """One of the steps that take turns."""
    errors = len(ev.state.problems.found)
    inner, settings, _ = opened(ev, StepSection, written)
    values = {name: getattr(around, name) for name in INHERITED}
    made = filled(inner, StepSection, written, settings, values)
    written_loss = any(target.id == "loss" for s in settings for target in s.targets)
    lost = ev.state.recovery.has_error_in(written.span)
    missing = not written_loss and not lost and len(ev.state.problems.found) == errors
    if made.loss is None and (missing or made.own("loss")):
        ev.state.problems.report("E0602", written.name.span, "this step has no loss",
                                 help="write what it minimizes: `loss = ...`")  # fmt: skip
    named = {name.id: net for name in distinct(ev, written.of) for net in named_net(ev, name)}
    spans = {**made.spans, **{place_of(name.id): name.span for name in written.of}}
    return made.placed(written.name.span, spans).knowing(
        named=named, frozen=around.freeze, bound=loss_bindings.named_values(inner.scope, ev.scope)
    )  # fmt: skip


def distinct(ev: Evaluator, names: Sequence[syntax.Ident]) -> Iterator[syntax.Ident]:
    """The names of a step. One that is there twice is reported."""
    seen: set[str] = set()
    for name in names:
        if name.id in seen:
            ev.state.problems.report("E0303", name.span, f"this step names `{name.id}` twice",
                                     help="leave one of them out")  # fmt: skip
        else:
            yield name
        seen.add(name.id)


def taken(turn: StepSection, phase: Train) -> StepSection:
    """A step of `train` as a phase without steps has it: with the settings of the phase that it does not
    write."""
    left = {name: getattr(phase, name) for name in INHERITED if not turn.own(name)}
    return turn.knowing(**left, frozen=phase.freeze, is_taken=True)


def named_net(ev: Evaluator, name: syntax.Ident) -> Iterator[Any]:
    """The net or the declared weight that a step names; nothing after an error."""
    file = ev.scope.file
    declared = [t for t in file.templates.values() if t is not BROKEN and t.is_net]
    nets = [t.name for t in declared if not isinstance(t, AverageTemplate)]
    help = f"the nets are {listed(nets)}" if nets else "declare a network as a `net`"
    try:
        if name.id not in ev.scope.names and not file.knows(name.id):
            if find_operator(name.id, losses=True):
                raise Reject(f"`{name.id}` is none", code="E0403")
            raise unresolved(ev, name.id, name.span, help)
        value = arguments.read(ev, NetOrWeight(), syntax.Name(name.span, name.id))
        yield NetOrWeight().accept(value)
    except Reject as reject:
        ev.state.problems.report(reject.code, name.span, f"a step names nets and weights: {reject.message}",
                                 help=reject.help or help)  # fmt: skip
    except Halt:
        return


def titled(turns: Sequence[StepSection]) -> tuple[StepSection, ...]:
    """The steps with their names in figures: the first name of each, numbered from the second step on."""
    firsts = [next(iter(turn.named), "step") for turn in turns]
    names = UniqueNames(firsts)
    seen: set[str] = set()
    found = []
    for turn, name in zip(turns, firsts, strict=True):
        found.append(turn.knowing(step=names.claim(name) if name in seen else name))
        seen.add(name)
    return tuple(found)


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
    for part in (train, *train.turns):
        with report_rejects(state, part, written):
            part.check()
    with report_rejects(state, train, written):
        if not uncertain:
            train.check_watched(measured, validated)


def check_used(ev: Evaluator, train: Train, phases: Sequence[Train]) -> None:
    """Report steps of `train`, and a loss, that no phase takes because each has its own."""
    taken = {turn.span for phase in phases for turn in phase.turns}
    unused = [(turn.span, "step") for turn in train.turns if phases and turn.span not in taken]
    if phases and train.own("loss") and all(phase.own("loss") or phase.turns for phase in phases):
        unused.append((train.spans["loss"], "loss"))
    for span, what in unused:
        ev.state.problems.report("E0408", span, f"no phase takes this {what}: each has its own",
                                 help="write it into a phase, or leave it out")  # fmt: skip


def check_weights(state: Elaboration, train: Train, written: syntax.Section | None) -> None:
    """Check that weights to freeze, load or regularize exist, unless an error may have removed them."""
    if state.problems.failed:
        return
    weights = tuple(state.builder.weights.values())
    for section in (train, *train.phases):
        minimizes = not (section.turns or (section is train and train.phases))
        for part, whole in ((section, minimizes), *((turn, True) for turn in section.turns)):
            with report_rejects(state, part, written):
                part.check_weights(weights, whole)


@contextmanager
def report_rejects(state: Elaboration, part: Minimization, written: syntax.Section | None) -> Iterator[None]:
    """Report a `Reject` of a check of a section at the setting that it names."""
    try:
        yield
    except Reject as reject:
        own = reject.at.span if isinstance(reject.at, Definition) else part.spans.get(str(reject.at))
        span = own or part.span or (written and written.name.span)
        assert span is not None, "a default setting was rejected"
        if not state.problems.seen_at(span):  # in a section that takes the setting
            state.problems.report(reject.code, span, reject.message, help=reject.help)
