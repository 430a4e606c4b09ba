"""The sections of a file, and the assembly of the program."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions.definition import family
from dlc.compiler.definitions.export_section import Export, ExportName
from dlc.compiler.definitions.file_sources import Files, PathField
from dlc.compiler.definitions.parameter_types import ListOf, MemberOf, Reject
from dlc.compiler.definitions.sections import PARTS, Data, GroupsSplit, Idx
from dlc.compiler.definitions.unimplemented import not_built, unimplemented_words
from dlc.compiler.diagnostics.problems import Problems
from dlc.compiler.diagnostics.source import Source, Span
from dlc.compiler.elaborate import (
    arguments,
    data_checks,
    decoded_output,
    expectations,
    exports,
    given_settings,
    objective,
    shared_classes,
    train_sections,
)
from dlc.compiler.elaborate.section_settings import PLACES, section
from dlc.compiler.elaborate.values import Halt, OutputRef
from dlc.compiler.parse.parser import parse
from dlc.compiler.passes import graph_checks, ignored_targets, initial_values, target_augmentation
from dlc.compiler.program import CompiledProgram
from dlc.compiler.training.figures import figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.definitions.sections import Field
    from dlc.compiler.elaborate.context import Elaboration, Evaluator
    from dlc.compiler.ir.graph import Graph
    from dlc.compiler.types import Tensor


def assemble(state: Elaboration, ev: Evaluator, tree: syntax.File) -> CompiledProgram:
    """Read the sections and assemble the program."""
    written = find_sections(state, tree)
    data = data_section(state, ev, tree, written.get("data"))
    train = train_sections.read(ev, written.get("train"))
    export = chosen_outputs(state, ev, section(ev, Export, written.get("export")) or Export())
    decoded_output.check(state, ev, export, tree)
    lost_decoder = state.decoder is None and has_error(state, written.get("export"))
    names = names_in(written.get("train"))
    lost = state.problems.failed and "loss" in names and train.loss is None and not train.phases
    wanted = bool(written.get("train") or written.get("data")) and not has_error(state, written.get("train"))
    found = objective.phases_of(state, ev, train, wanted, lost)
    types = {o.name: o.declared for o in ev.scope.file.outputs.values() if isinstance(o, OutputRef)}
    steps = (turn for section in (train, *train.phases) for turn in section.turns)
    lost_step = state.problems.failed and any(turn.loss is None for turn in steps)
    uncertain = lost or lost_step or is_uncertain(state, ev, written.get("train"))
    parts = measured_parts(state, data, written.get("data"))
    data_checks.check(state, ev, data)
    names |= {"loss", *family("metric"), *ev.scope.file.templates, *state.recovery.names}
    phases, measured = [], expectations.MeasuredFigures({}, parts, names if uncertain else ())
    for phase in found:
        phase, measured = measured_phase(state, ev, phase, measured, written.get("train"), types)
        phases.append(phase)
    train_sections.check_weights(state, train, written.get("train"))
    measured = replace(measured, seed=max(section.seed for section in (train, *train.phases)))
    expected = expectations.read(ev, written.get("expect"), measured)
    answers = exports.exported(state, ev, export, lost_decoder=lost_decoder)
    losses = {f"loss {n}": loss for n, loss in enumerate(t.loss for p in phases for t in p.turns)}
    graph = initial_values.choose(state.graph(losses))
    check_graph(graph, state.problems)
    return CompiledProgram(
        source=tree.source, sources=tuple(state.sources),
        name=posixpath.splitext(posixpath.basename(tree.source.name))[0], description=tree.description,
        params=dict(ev.scope.file.params), settings=state.settings, inputs=tuple(state.inputs),
        outputs=state.outputs(ev.scope.file), graph=graph, averages=state.builder.averages,
        phases=objective.with_weights(phases, graph.weights), data=data,
        train=train if train.phases else phases[-1].settings,
        export=export, exports=answers, expectations=expected, metrics=phases[-1].metrics,
        warnings=tuple(state.problems.sorted()), bindings={**ev.scope.names},
        facts=replace(state.facts, tensors=state.tensors, vocabularies=state.builder.vocabularies),
    )  # fmt: skip


def measured_phase(
    state: Elaboration,
    ev: Evaluator,
    phase: objective.PhaseLosses,
    before: expectations.MeasuredFigures,
    written: syntax.Section | None,
    types: Mapping[str, Tensor],
) -> tuple[objective.PhaseLosses, expectations.MeasuredFigures]:
    """A phase with its condition `until`, after checks of its settings, and the figures that it measures;
    those `before` are of the phase before it."""
    known = figures(phase.metrics, types, phase.losses)
    objective.reject_duplicates(state, phase.metrics, types, phase.losses)
    validated, uncertain = "validation" in before.parts, bool(before.possible)
    train_sections.check(state, phase.settings, written, known, validated, uncertain)
    earlier = before.before | before.figures.keys()
    measured = expectations.MeasuredFigures(known, before.parts, before.possible, earlier)
    until = expectations.until(ev, phase.settings.values()["until"], measured)
    return replace(phase, settings=phase.settings.knowing(until=until)), measured


def check_graph(graph: Graph, problems: Problems) -> None:
    """Report what no shape rule of a single operator finds."""
    graph_checks.average_nets(graph, problems)
    graph_checks.fitted_operators(graph, problems)
    graph_checks.derivatives(graph, problems)
    target_augmentation.check(graph, problems)
    ignored_targets.check(graph, problems)


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
        if word in PLACES:
            state.problems.report("E0509", statement.span, f"`{word}` is allowed only in `train {{ }}`",
                                  help=PLACES[word])  # fmt: skip
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
    return data and with_paths(data.knowing(fields=fields))


def with_paths(data: Data) -> Data:
    """The section whose `path(n)` know the column that has the paths, if the source is a table."""
    column = next((field.column for field in data.fields.values() if isinstance(field, Files)), "")

    def known(field: Any) -> Any:
        return field.knowing(column=column) if isinstance(field, PathField) else field

    split = data.split
    if isinstance(split, GroupsSplit):
        split = split.knowing(column=known(split.column))
    return data.knowing(fields={name: known(field) for name, field in data.fields.items()}, split=split)


def field_definition(ev: Evaluator, name: str, expr: syntax.Expr) -> Field:
    """`FIELD = column(...)` of `data`: the origin of an input or a target."""
    value = arguments.read(ev, MemberOf("field"), expr)
    try:
        return MemberOf("field").accept(value)
    except Reject as reject:
        raise ev.fail(reject.code, expr.span, f"`{name}` of `data`: {reject.message}",
                      help='write `column("name")`, `columns("a", "b")`, '
                           '`ahead("a", 24)`, `files("path")`, `path(1)`, `normal()` or '
                           '`uniform()`') from None  # fmt: skip


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
