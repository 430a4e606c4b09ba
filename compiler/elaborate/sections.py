"""The sections of a file, and with them the whole program."""

from __future__ import annotations

import posixpath
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

from dlc.compiler import foreign, syntax
from dlc.compiler.definition import Definition
from dlc.compiler.diagnostics import Problems
from dlc.compiler.elaborate import expectations, exports, objective, settings, shared_classes
from dlc.compiler.elaborate.values import BROKEN, Halt, OutputRef
from dlc.compiler.kinds import Defined, ListOf, Reject
from dlc.compiler.later import later, not_built
from dlc.compiler.parse import parse
from dlc.compiler.passes import checks, following, initial_values
from dlc.compiler.program import Program
from dlc.compiler.sections import Data, Export, ExportName
from dlc.compiler.source import Source, Span
from dlc.compiler.suggest import did_you_mean
from dlc.compiler.training.figures import figures
from dlc.compiler.training.section import Train

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dlc.compiler.elaborate import Elaborator
    from dlc.compiler.elaborate.evaluate import Evaluator
    from dlc.compiler.sections import Field
    from dlc.compiler.training.metrics import Metric


def assemble(e: Elaborator, ev: Evaluator, tree: syntax.File) -> Program:
    """Read the sections and put the program together."""
    written = find(e, tree)
    data = data_section(e, ev, tree, written.get("data"))
    train = section(ev, Train, written.get("train")) or Train()
    export = chosen_outputs(e, ev, section(ev, Export, written.get("export")) or Export())
    loss = objective.total_loss(e, ev, train, bool(written.get("train") or written.get("data")))
    metrics = tuple(objective.chosen_metrics(e, ev, train))
    types = {o.name: o.declared for o in ev.scope.file.outputs.values() if isinstance(o, OutputRef)}
    known = figures(metrics, types)
    uncertain = is_uncertain(e, ev, written.get("train"))
    objective.refuse_twice(e, metrics, types)
    validated = data is None or bool(data.validation)
    check_together(e, train, written.get("train"), known, validated, uncertain)
    check_data(e, ev, data)
    check_weights(e, train, written.get("train"))
    expected = expectations.read(ev, written.get("expect"), known, uncertain)
    answers = exports.exported(e, ev, export)
    graph = initial_values.choose(e.graph({"loss": loss} if loss else {}))
    checks.learnt_first(graph, e.problems)
    checks.derivatives(graph, e.problems)
    following.check(graph, e.problems)
    return Program(
        source=tree.source, sources=tuple(e.sources),
        name=posixpath.splitext(posixpath.basename(tree.source.name))[0], description=tree.description,
        params=dict(ev.scope.file.params), inputs=tuple(e.inputs),
        outputs=e.outputs(ev.scope.file), graph=graph, loss=loss,
        data=data, train=train, export=export, exports=answers,
        expectations=expected, metrics=metrics,
        warnings=tuple(e.problems.sorted()), bindings={**ev.scope.names}, facts=e.facts,
    )  # fmt: skip


def is_uncertain(e: Elaborator, ev: Evaluator, train: syntax.Section | None) -> bool:
    """Whether more would be measured, but for mistakes in outputs or in `train`."""
    outputs = ev.scope.file.outputs.values()
    filled = bool(outputs) and all(isinstance(o, OutputRef) and o.scores is not None for o in outputs)
    places = [d.span for d in e.problems.found if d.span and d.severity == "error"]
    inside = train and any(
        p.source is train.span.source and train.span.start <= p.start < train.span.end for p in places
    )
    return e.problems.failed and (not filled or bool(e.torn.names) or bool(inside))


def find(e: Elaborator, tree: syntax.File) -> dict[str, syntax.Section]:
    """The sections of the file by their word, each once."""
    written: dict[str, syntax.Section] = {}
    for statement in tree.body:
        if not isinstance(statement, syntax.Section):
            continue
        word = statement.name.id
        if word in ("step", "phase"):
            e.problems.report("E0509", statement.span, f"`{word}` stands only in `train {{ }}`")
        elif word in written:
            e.problems.report(
                "E0303",
                statement.name.span,
                f"there are two sections `{word}`",
                help="put their settings into one",
            )
        elif word in later("section"):
            unbuilt = not_built("section", word)
            e.problems.report(unbuilt.code, statement.name.span, unbuilt.message, help=unbuilt.help)
        written.setdefault(word, statement)
    return written


def section(ev: Evaluator, definition: type[Definition], written: syntax.Section | None,
            extra: Callable[[syntax.Bind], bool] | None = None) -> Any:  # fmt: skip
    """An instance of the section from its settings; none if the file has no such section or it is wrong."""
    if written is None:
        return None
    values: dict[str, Any] = {}
    places: dict[str, Any] = {}
    for statement in settings_of(ev, written.body):
        try:
            if extra and extra(statement):
                continue
            declared = key_of(ev, definition, statement, values)
            values[declared.name] = None
            at = ev.within(ev.scope, losses=declared.name == "loss")
            values[declared.name] = settings.setting_value(at, definition, declared, statement.value)
            places[declared.name] = statement.value.span
        except Halt:
            if len(statement.targets) == 1:
                values.pop(statement.targets[0].id, None)
    return definition(**values).placed(written.name.span, places)


def settings_of(ev: Evaluator, body: tuple[syntax.Statement, ...]) -> Iterator[syntax.Bind]:
    """The settings of a section; an `if` among them is decided."""
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
        elif isinstance(statement, syntax.Section) and statement.name.id in later("train"):
            ev.refuse(statement.name.span, not_built("train", statement.name.id))
        else:
            ev.e.problems.report("E0602", statement.span, "expected a setting, `name = value`")


def key_of(
    ev: Evaluator, definition: type[Definition], statement: syntax.Bind, values: dict[str, Any]
) -> Any:
    key = statement.targets[0]
    if len(statement.targets) > 1:
        raise ev.fail("E0602", statement.span, "a setting has one name")
    if key.id in later(definition.name):
        raise ev.refuse(key.span, not_built(definition.name, key.id))
    if key.id not in definition.settings:
        names = [*definition.settings, *later(definition.name)]
        fields = (ev.scope.file.inputs, ev.scope.file.outputs) if definition is Data else ()
        help = foreign.setting(key.id, names)
        place = statement.span if help.startswith("leave it out") else key.span
        raise ev.fail("E0601", place, f"`{definition.name}` has no setting `{key.id}`",
                      help=help or of_another(definition, key.id)
                           or ev.e.nearest.did_you_mean(key.id, lambda: [*names, *chain(*fields)])
                           or f"its settings are {', '.join(f'`{n}`' for n in definition.settings)}",
                      )  # fmt: skip
    if key.id in values:
        raise ev.fail("E0407", key.span, f"`{key.id}` is set twice")
    return definition.settings[key.id]


def of_another(definition: type[Definition], name: str) -> str:
    """Which section has a setting of that name, or of what it is called here."""
    for section in Definition.families["section"].values():
        words = (name, *foreign.SETTINGS.get(name, ()))
        found = next((word for word in words if word in section.settings), "")
        if found and section is not definition:
            return f"it stands in `{section.name}`: `{section.name} {{ {found} = ... }}`"
    return ""


def data_section(
    e: Elaborator, ev: Evaluator, tree: syntax.File, written: syntax.Section | None
) -> Data | None:
    """The `data` section, with its keys that are names of inputs and targets."""
    fields: dict[str, Field] = {}

    def read(statement: syntax.Bind) -> bool:
        name, file = statement.targets[0].id, ev.scope.file
        if name in Data.settings or not (name in file.inputs or name in file.outputs):
            return False
        fields[name] = own_field(ev, name, statement.value)
        return True

    data = section(ev, Data, written, read)
    if written is not None and shared_classes.from_data(tree, fields) != e.sharing:
        e.problems.report("E0211", written.name.span,
                          "which fields share a column, and so their classes, has to be known first",
                          help="write names of columns as texts or params, outside of any `if`")  # fmt: skip
    return data and data.knowing(fields=fields)


def own_field(ev: Evaluator, name: str, expr: syntax.Expr) -> Field:
    """`FIELD = column(...)` of `data`: where an input or a target comes from."""
    value = settings.directed_value(ev, Defined("field"), expr)
    try:
        return Defined("field").accept(value)
    except Reject as reject:
        raise ev.fail(reject.code, expr.span, f"`{name}` of `data`: {reject.message}",
                      help='write `column("name")`, `columns("a", "b")`, '
                           '`normal()` or `uniform()`') from None  # fmt: skip


def chosen_outputs(e: Elaborator, ev: Evaluator, export: Export) -> Export:
    """The section with the outputs that a command asks for, which are written as in the file; the brackets of
    the list may be left out."""
    if e.chosen is None:
        return export
    text, problems = e.chosen.strip(), Problems()
    source = Source("--outputs", text if text.startswith("[") else f"[{text}]")
    body = parse(source, problems).body
    listed = body[0].value if len(body) == 1 and isinstance(body[0], syntax.Evaluate) else None
    if problems.failed or not isinstance(listed, syntax.ListExpr):
        message = f"expected {ListOf(ExportName()).describe()}, found `{text}`"
        e.problems.report("E0403", Span(source, 0, len(source.text)), message)
        return export
    try:
        outputs = settings.setting_value(ev, Export, Export.settings["outputs"], listed)
    except Halt:
        return export
    places = {**export.spans, "outputs": listed.span}
    return Export(**export.values() | {"outputs": outputs}).placed(export.span, places)


def check_together(
    e: Elaborator,
    train: Train,
    written: syntax.Section | None,
    measured: Mapping[str, Metric | None],
    validated: bool,
    uncertain: bool,
) -> None:
    """Settings of `train` that do not go with each other, or with what is measured, where that is certain."""
    with reported(e, train, written):
        train.check()
        if not uncertain:
            train.check_watched(measured, validated)


def check_weights(e: Elaborator, train: Train, written: syntax.Section | None) -> None:
    """What is frozen, loaded into or kept small has to be there, unless a mistake kept it from being made."""
    if e.problems.failed:
        return
    with reported(e, train, written):
        train.check_weights(tuple(e.builder.weights.values()))


@contextmanager
def reported(e: Elaborator, train: Train, written: syntax.Section | None) -> Iterator[None]:
    """What a check of `train` rejects, as a mistake at the setting that it is about."""
    try:
        yield
    except Reject as reject:
        span = train.spans.get(str(reject.at)) or (written and written.name.span)
        assert span is not None, "what is not written is not wrong"
        e.problems.report(reject.code, span, reject.message, help=reject.help)


def check_data(e: Elaborator, ev: Evaluator, data: Data | None) -> None:
    """Names in `data` have to be fields of the file."""
    if data is None or data.stratify is None:
        return
    file = ev.scope.file
    output = file.outputs.get(data.stratify)
    lost = output is BROKEN or data.stratify in e.torn.names or e.torn.nameless
    if lost or any(d.message == f"nothing is called `{data.stratify}` here" for d in e.problems.found):
        return
    if not isinstance(output, OutputRef) or output.declared.element not in ("class", "binary", "bool"):
        e.problems.report("E0605", data.spans["stratify"],
                          f"`stratify` wants a class or binary output, `{data.stratify}` is none",
                          help=did_you_mean(data.stratify, file.outputs))  # fmt: skip
