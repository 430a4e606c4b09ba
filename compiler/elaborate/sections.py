"""The sections of a file, and the assembly of the program."""

from __future__ import annotations

import posixpath
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases, other_settings
from dlc.compiler.definitions.definition import Definition, family
from dlc.compiler.definitions.export_section import Export, ExportName
from dlc.compiler.definitions.parameter_types import ListOf, MemberOf, Reject
from dlc.compiler.definitions.sections import PARTS, Data, Idx
from dlc.compiler.definitions.unimplemented import not_built, unimplemented_words
from dlc.compiler.diagnostics.problems import Problems
from dlc.compiler.diagnostics.source import Source, Span
from dlc.compiler.elaborate import (
    arguments,
    data_checks,
    expectations,
    exports,
    given_settings,
    loss_bindings,
    objective,
    shared_classes,
)
from dlc.compiler.elaborate.values import Halt, OutputRef
from dlc.compiler.parse.parser import parse
from dlc.compiler.passes import graph_checks, ignored_targets, initial_values, target_augmentation
from dlc.compiler.program import CompiledProgram
from dlc.compiler.training.figures import figures
from dlc.compiler.training.train_section import Train

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dlc.compiler.definitions.definition import Setting
    from dlc.compiler.definitions.sections import Field
    from dlc.compiler.elaborate.context import Elaboration, Evaluator
    from dlc.compiler.training.metrics import Metric


def assemble(state: Elaboration, ev: Evaluator, tree: syntax.File) -> CompiledProgram:
    """Read the sections and assemble the program."""
    written = find_sections(state, tree)
    data = data_section(state, ev, tree, written.get("data"))
    train = section(ev, Train, written.get("train")) or Train()
    export = chosen_outputs(state, ev, section(ev, Export, written.get("export")) or Export())
    names = names_in(written.get("train"))
    lost = state.problems.failed and "loss" in names and train.loss is None
    wanted = bool(written.get("train") or written.get("data")) and not has_error(state, written.get("train"))
    loss = None if lost else objective.total_loss(state, ev, train, wanted)
    metrics = tuple(objective.chosen_metrics(state, ev, train))
    losses = objective.reported_losses(state, ev, train, loss) if loss else {}
    types = {o.name: o.declared for o in ev.scope.file.outputs.values() if isinstance(o, OutputRef)}
    known = figures(metrics, types, losses)
    uncertain = lost or is_uncertain(state, ev, written.get("train"))
    objective.reject_duplicates(state, metrics, types, losses)
    parts = measured_parts(state, data, written.get("data"))
    check_train(state, train, written.get("train"), known, "validation" in parts, uncertain)
    data_checks.check(state, ev, data)
    check_weights(state, train, written.get("train"))
    names |= {"loss", *family("metric"), *ev.scope.file.templates, *state.recovery.names}
    measured = expectations.MeasuredFigures(known, parts, names if uncertain else ())
    expected = expectations.read(ev, written.get("expect"), measured)
    train = train.knowing(until=expectations.until(ev, train.values()["until"], measured))
    answers = exports.exported(state, ev, export)
    graph = initial_values.choose(state.graph({"loss": loss} if loss else {}))
    graph_checks.average_nets(graph, state.problems)
    graph_checks.fitted_operators(graph, state.problems)
    graph_checks.derivatives(graph, state.problems)
    target_augmentation.check(graph, state.problems)
    ignored_targets.check(graph, state.problems)
    return CompiledProgram(
        source=tree.source, sources=tuple(state.sources),
        name=posixpath.splitext(posixpath.basename(tree.source.name))[0], description=tree.description,
        params=dict(ev.scope.file.params), settings=state.settings, inputs=tuple(state.inputs),
        outputs=state.outputs(ev.scope.file), graph=graph, averages=state.builder.averages,
        phases=objective.phases(train, loss, losses, graph), data=data, train=train,
        export=export, exports=answers, expectations=expected, metrics=metrics,
        warnings=tuple(state.problems.sorted()), bindings={**ev.scope.names},
        facts=replace(state.facts, tensors=state.tensors),
    )  # fmt: skip


def names_in(section: syntax.Section | None) -> set[str]:
    """The names of the settings and bindings of a section."""
    body = section.body if section else ()
    return {target.id for s in given_settings.settings_of(body) for target in s.targets}


def is_uncertain(state: Elaboration, ev: Evaluator, train: syntax.Section | None) -> bool:
    """Whether errors in outputs or in `train` may hide figures that would be measured."""
    outputs = ev.scope.file.outputs.values()
    filled = bool(outputs) and all(isinstance(o, OutputRef) and o.scores is not None for o in outputs)
    return state.problems.failed and (not filled or bool(state.recovery.names) or has_error(state, train))


def has_error(state: Elaboration, section: syntax.Section | None) -> bool:
    """Whether the section contains an error."""
    errors = [d.span for d in state.problems.found if d.span and d.severity == "error"] if section else ()
    spans = [section.span, *(s.span for s in section.body)] if section else ()  # a command may give settings
    return any(e.source is span.source and span.start <= e.start < span.end for e in errors for span in spans)


def measured_parts(state: Elaboration, data: Data | None, written: syntax.Section | None) -> tuple[str, ...]:
    """The parts of the split that exist; all parts if that is unknown."""
    if data is None or has_error(state, written):
        return PARTS
    with_source = isinstance(data.source, Idx)  # may have its own test set
    there = {"train": True, "validation": bool(data.validation), "test": bool(data.test) or with_source}
    return tuple(part for part in PARTS if there[part])


def find_sections(state: Elaboration, tree: syntax.File) -> dict[str, syntax.Section]:
    """The sections of the file by name. Duplicates are reported."""
    written: dict[str, syntax.Section] = {}
    for statement in tree.body:
        if not isinstance(statement, syntax.Section):
            continue
        word = statement.name.id
        if word in ("step", "phase"):
            state.problems.report("E0509", statement.span, f"`{word}` is allowed only in `train {{ }}`")
        elif word in written:
            state.problems.report(
                "E0303",
                statement.name.span,
                f"there are two sections `{word}`",
                help="put their settings into one",
            )
        elif word in unimplemented_words("section"):
            unbuilt = not_built("section", word)
            state.problems.report(unbuilt.code, statement.name.span, unbuilt.message, help=unbuilt.help)
        written.setdefault(word, statement)
    return written


def section(ev: Evaluator, definition: type[Definition], written: syntax.Section | None,
            extra: Callable[[syntax.Bind], bool] | None = None) -> Any:  # fmt: skip
    """An instance of the section from its settings. `None` if the file does not have the section.
    `extra` handles a setting outside of the definition, and returns whether it did."""
    if written is None:
        return None
    values: dict[str, Any] = {}
    spans: dict[str, Any] = {}
    body, outer = [*settings_of(ev, written.body)], ev.scope
    if "loss" in definition.settings:
        taken = {*definition.settings, *unimplemented_words(definition.name)}
        ev, body = loss_bindings.run(ev, body, taken, lost=ev.state.recovery.has_error_in(written.span))
    for statement in body:
        try:
            if extra and extra(statement):
                continue
            declared = setting_for(ev, definition, statement, values, written.body)
            values[declared.name] = None
            values[declared.name] = value_of(
                ev, definition, declared, with_optimizer_settings(statement, written.body)
            )
            spans[declared.name] = statement.value.span
        except Halt:
            if len(statement.targets) == 1:
                values.pop(statement.targets[0].id, None)
    made = definition(**values).placed(written.name.span, spans)
    if "loss" in definition.settings:
        return made.knowing(bound=loss_bindings.named_values(ev.scope, outer))
    return made


def value_of(ev: Evaluator, definition: type[Definition], declared: Setting, value: syntax.Expr) -> Any:
    at = ev.within(ev.scope, losses=declared.name == "loss")
    return arguments.value_of(at, definition, declared, value)


def settings_of(ev: Evaluator, body: tuple[syntax.Statement, ...]) -> Iterator[syntax.Bind]:
    """The settings of a section. Of an `if`, only the chosen branch."""
    for statement in body:
        if isinstance(statement, syntax.Bind):
            yield statement
        elif isinstance(statement, syntax.If):
            try:
                yield from settings_of(
                    ev, statement.then if ev.condition(statement.condition) else statement.otherwise
                )
            except Halt:
                continue
        elif isinstance(statement, syntax.Section) and statement.name.id in unimplemented_words("train"):
            ev.reject(statement.name.span, not_built("train", statement.name.id))
        else:
            ev.state.problems.report("E0602", statement.span, "expected a setting, `name = value`")


def setting_for(ev: Evaluator, definition: type[Definition], statement: syntax.Bind, values: dict[str, Any],
           body: Sequence[syntax.Statement]) -> Any:  # fmt: skip
    """The setting that a statement of a section sets."""
    key = statement.targets[0]
    if len(statement.targets) > 1:
        raise ev.fail("E0602", statement.span, "a setting has one name")
    if key.id in unimplemented_words(definition.name):
        raise ev.reject(key.span, not_built(definition.name, key.id))
    if key.id not in definition.settings:
        raise unknown_setting(ev, definition, statement, body)
    if key.id in values:
        raise ev.fail("E0407", key.span, f"`{key.id}` is set twice")
    return definition.settings[key.id]


def unknown_setting(ev: Evaluator, definition: type[Definition], statement: syntax.Bind,
               body: Sequence[syntax.Statement]) -> Halt:  # fmt: skip
    """The error for an unknown setting. If the name is an alias, the value is checked too."""
    key = statement.targets[0]
    names = [*definition.settings, *unimplemented_words(definition.name)]
    fields = (ev.scope.file.inputs, ev.scope.file.outputs) if definition is Data else ()
    if fields and key.id in ev.state.recovery.names:  # its declaration is lost
        return Halt()
    own = optimizer_setting(key.id, body) if definition is Train else ""
    help = own or aliases.setting(key.id, names)
    span = statement.span if help.startswith("leave it out") else key.span
    halt = ev.fail("E0601", span, f"`{definition.name}` has no setting `{key.id}`",
                   help=help or in_other_section(definition, key.id)
                        or ev.state.nearest.did_you_mean(key.id, lambda: [*names, *chain(*fields)])
                        or ("a name of your own is for the `loss`: use it there, or remove it; "
                            if "loss" in definition.settings else "")
                        + f"its settings are {', '.join(f'`{n}`' for n in definition.settings)}",
                   )  # fmt: skip
    meant = aliases.called(key.id, definition.settings) if not own else ""
    if meant:
        with suppress(Halt):
            value_of(ev, definition, definition.settings[meant], statement.value)
    return halt


def optimizer_setting(name: str, body: Sequence[syntax.Statement]) -> str:
    """The fix for a setting of the optimizer that is written beside it."""
    if name not in aliases.OPTIMIZERS_OWN:
        return ""
    known = Definition.families["optimizer"]
    own = aliases.OPTIMIZERS_OWN[name]
    chosen = known.get(_optimizer(body)) or known["sgd" if own == "momentum" else "adam"]
    if own not in chosen.settings:
        return f"`{chosen.name}` has none; {other_settings.REGULARIZE}"
    given = f"{own}=..." if own == "lr" or not chosen.settings["lr"].required else f"lr=..., {own}=..."
    return f"it belongs to the optimizer: `optimizer = {chosen.name}({given})`"


def _optimizer(body: Sequence[syntax.Statement]) -> str:
    """The name, in this language, of the optimizer in the body of `train`."""
    for statement in body:
        if isinstance(statement, syntax.Bind) and statement.targets[0].id == "optimizer":
            head = statement.value.function if isinstance(statement.value, syntax.Call) else statement.value
            name = head.id if isinstance(head, syntax.Name) else getattr(head, "name", "")
            return name if name in Definition.families["optimizer"] else aliases.named(name, "optimizer")
    return ""


def with_optimizer_settings(statement: syntax.Bind, body: Sequence[syntax.Statement]) -> syntax.Expr:
    """The value of a setting. An optimizer includes its settings that are wrongly written beside it."""
    value, chosen = statement.value, Definition.families["optimizer"].get(_optimizer(body))
    if statement.targets[0].id != "optimizer" or chosen is None:
        return value
    call = value if isinstance(value, syntax.Call) else syntax.Call(value.span, value, ())
    in_order = [s.name for s in chosen.settings.values() if not s.keyword]
    given = {a.name or in_order[i] for i, a in enumerate(call.arguments) if a.name or i < len(in_order)}
    beside = [(aliases.OPTIMIZERS_OWN.get(s.targets[0].id), s) for s in body if isinstance(s, syntax.Bind)]
    added = [syntax.Argument(s.value, name, s.targets[0].span) for name, s in beside
             if name in chosen.settings and name not in given]  # fmt: skip
    return syntax.Call(call.span, call.function, (*call.arguments, *added)) if added else value


def in_other_section(definition: type[Definition] | None, name: str) -> str:
    """The fix for a setting, or an alias of a setting, of another section."""
    for section in Definition.families["section"].values():
        words = (name, *aliases.SETTINGS.get(name, ()))
        found = next((word for word in words if word in section.settings), "")
        if found and section is not definition:
            return f"it belongs in `{section.name}`: `{section.name} {{ {found} = ... }}`"
    return ""


def data_section(
    state: Elaboration, ev: Evaluator, tree: syntax.File, written: syntax.Section | None
) -> Data | None:
    """The `data` section, including its keys that name inputs and targets."""
    fields: dict[str, Field] = {}

    def read(statement: syntax.Bind) -> bool:
        name, file = statement.targets[0].id, ev.scope.file
        if name in Data.settings or not (name in file.inputs or name in file.outputs):
            return False
        fields[name] = field_definition(ev, name, statement.value)
        return True

    data = section(ev, Data, written, read)
    lost = written and data and not data.source and shared_classes.reads_text(written.body)
    shared = shared_classes.from_data(tree, data and data.source, fields)
    if written is not None and not lost and shared != state.sharing:
        state.problems.report("E0211", written.name.span,
                              "fields of one column share its classes, so columns are needed before types",
                              help="write names of columns as texts or params, "
                                   "outside of any `if`")  # fmt: skip
    return data and data.knowing(fields=fields)


def field_definition(ev: Evaluator, name: str, expr: syntax.Expr) -> Field:
    """`FIELD = column(...)` of `data`: the origin of an input or a target."""
    value = arguments.read(ev, MemberOf("field"), expr)
    try:
        return MemberOf("field").accept(value)
    except Reject as reject:
        raise ev.fail(reject.code, expr.span, f"`{name}` of `data`: {reject.message}",
                      help='write `column("name")`, `columns("a", "b")`, '
                           '`ahead("a", 24)`, `normal()` or `uniform()`') from None  # fmt: skip


def chosen_outputs(state: Elaboration, ev: Evaluator, export: Export) -> Export:
    """The section with the outputs that a command asks for, in the syntax of the file. The brackets of the
    list are optional."""
    if state.chosen is None:
        return export
    text, problems = state.chosen.strip(), Problems()
    source = Source("--outputs", text if text.startswith("[") else f"[{text}]")
    body = parse(source, problems).body
    listed = body[0].value if len(body) == 1 and isinstance(body[0], syntax.Evaluate) else None
    if problems.failed or not isinstance(listed, syntax.ListExpr):
        message = f"expected {ListOf(ExportName()).describe()}, found `{text}`"
        state.problems.report("E0403", Span(source, 0, len(source.text)), message)
        return export
    try:
        outputs = arguments.value_of(ev, Export, Export.settings["outputs"], listed)
    except Halt:
        return export
    spans = {**export.spans, "outputs": listed.span}
    return Export(**export.values() | {"outputs": outputs}).placed(export.span, spans)


def check_train(
    state: Elaboration,
    train: Train,
    written: syntax.Section | None,
    measured: Mapping[str, Metric | None],
    validated: bool,
    uncertain: bool,
) -> None:
    """Check settings of `train` against each other and, unless `uncertain`, against the measured figures."""
    with report_rejects(state, train, written):
        train.check()
        if not uncertain:
            train.check_watched(measured, validated)


def check_weights(state: Elaboration, train: Train, written: syntax.Section | None) -> None:
    """Check that weights to freeze, load or regularize exist, unless an error may have removed them."""
    if state.problems.failed:
        return
    with report_rejects(state, train, written):
        train.check_weights(tuple(state.builder.weights.values()))


@contextmanager
def report_rejects(state: Elaboration, train: Train, written: syntax.Section | None) -> Iterator[None]:
    """Report a `Reject` of a check of `train` at the setting that it names."""
    try:
        yield
    except Reject as reject:
        own = reject.at.span if isinstance(reject.at, Definition) else train.spans.get(str(reject.at))
        span = own or (written and written.name.span)
        assert span is not None, "a default setting was rejected"
        state.problems.report(reject.code, span, reject.message, help=reject.help)
