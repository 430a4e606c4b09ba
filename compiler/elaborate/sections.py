"""The sections of a file, and with them the whole program."""

from __future__ import annotations

import posixpath
from contextlib import contextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases
from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.parameter_types import ListOf, MemberOf, Reject
from dlc.compiler.definitions.sections import PARTS, Data, Export, ExportName, Idx
from dlc.compiler.definitions.unimplemented import later, not_built
from dlc.compiler.diagnostics.problems import Problems
from dlc.compiler.diagnostics.source import Source, Span
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.compiler.elaborate import arguments, expectations, exports, objective, shared_classes
from dlc.compiler.elaborate.values import BROKEN, Halt, OutputRef
from dlc.compiler.parse.parser import parse
from dlc.compiler.passes import graph_checks, initial_values, target_augmentation
from dlc.compiler.passes.loss_terms import by_output
from dlc.compiler.program import CompiledProgram
from dlc.compiler.training.figures import figures
from dlc.compiler.training.train_section import Train

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dlc.compiler.definitions.definition import Setting
    from dlc.compiler.definitions.sections import Field
    from dlc.compiler.elaborate.context import Elaboration, Evaluator
    from dlc.compiler.training.metrics import Metric


def assemble(e: Elaboration, ev: Evaluator, tree: syntax.File) -> CompiledProgram:
    """Read the sections and put the program together."""
    written = find(e, tree)
    data = data_section(e, ev, tree, written.get("data"))
    train = section(ev, Train, written.get("train")) or Train()
    export = chosen_outputs(e, ev, section(ev, Export, written.get("export")) or Export())
    loss = objective.total_loss(e, ev, train, bool(written.get("train") or written.get("data")))
    metrics = tuple(objective.chosen_metrics(e, ev, train))
    losses = by_output(e.builder.nodes, loss, e.outputs(ev.scope.file)) if loss else {}
    types = {o.name: o.declared for o in ev.scope.file.outputs.values() if isinstance(o, OutputRef)}
    known = figures(metrics, types, losses)
    uncertain = is_uncertain(e, ev, written.get("train"))
    objective.refuse_twice(e, metrics, types)
    parts = measured_parts(e, data, written.get("data"))
    check_together(e, train, written.get("train"), known, "validation" in parts, uncertain)
    check_data(e, ev, data)
    check_weights(e, train, written.get("train"))
    measured = expectations.MeasuredFigures(known, parts, uncertain)
    expected = expectations.read(ev, written.get("expect"), measured)
    train = train.knowing(until=expectations.until(ev, train.values()["until"], measured))
    answers = exports.exported(e, ev, export)
    graph = initial_values.choose(e.graph({"loss": loss} if loss else {}))
    graph_checks.fitted_operators(graph, e.problems)
    graph_checks.derivatives(graph, e.problems)
    target_augmentation.check(graph, e.problems)
    return CompiledProgram(
        source=tree.source, sources=tuple(e.sources),
        name=posixpath.splitext(posixpath.basename(tree.source.name))[0], description=tree.description,
        params=dict(ev.scope.file.params), inputs=tuple(e.inputs),
        outputs=e.outputs(ev.scope.file), graph=graph, phases=objective.phases(train, loss, losses, graph),
        data=data, train=train, export=export, exports=answers,
        expectations=expected, metrics=metrics,
        warnings=tuple(e.problems.sorted()), bindings={**ev.scope.names}, facts=e.facts,
    )  # fmt: skip


def is_uncertain(e: Elaboration, ev: Evaluator, train: syntax.Section | None) -> bool:
    """Whether more would be measured, but for errors in outputs or in `train`."""
    outputs = ev.scope.file.outputs.values()
    filled = bool(outputs) and all(isinstance(o, OutputRef) and o.scores is not None for o in outputs)
    return e.problems.failed and (not filled or bool(e.torn.names) or is_wrong(e, train))


def is_wrong(e: Elaboration, section: syntax.Section | None) -> bool:
    """Whether there is an error in the section."""
    places = [d.span for d in e.problems.found if d.span and d.severity == "error"] if section else ()
    return section is not None and any(
        p.source is section.span.source and section.span.start <= p.start < section.span.end for p in places
    )


def measured_parts(e: Elaboration, data: Data | None, written: syntax.Section | None) -> tuple[str, ...]:
    """The parts of the rows that there are; all where that is not known."""
    if data is None or is_wrong(e, written):
        return PARTS
    with_source = isinstance(data.source, Idx)  # has a test set of its own, or none
    there = {"train": True, "validation": bool(data.validation), "test": bool(data.test) or with_source}
    return tuple(part for part in PARTS if there[part])


def find(e: Elaboration, tree: syntax.File) -> dict[str, syntax.Section]:
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
            declared = key_of(ev, definition, statement, values, written.body)
            values[declared.name] = None
            values[declared.name] = value_of(ev, definition, declared, with_own(statement, written.body))
            places[declared.name] = statement.value.span
        except Halt:
            if len(statement.targets) == 1:
                values.pop(statement.targets[0].id, None)
    return definition(**values).placed(written.name.span, places)


def value_of(ev: Evaluator, definition: type[Definition], declared: Setting, value: syntax.Expr) -> Any:
    at = ev.within(ev.scope, losses=declared.name == "loss")
    return arguments.value_of(at, definition, declared, value)


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


def key_of(ev: Evaluator, definition: type[Definition], statement: syntax.Bind, values: dict[str, Any],
           body: Sequence[syntax.Statement]) -> Any:  # fmt: skip
    """The setting that a statement of a section gives."""
    key = statement.targets[0]
    if len(statement.targets) > 1:
        raise ev.fail("E0602", statement.span, "a setting has one name")
    if key.id in later(definition.name):
        raise ev.refuse(key.span, not_built(definition.name, key.id))
    if key.id not in definition.settings:
        raise no_setting(ev, definition, statement, body)
    if key.id in values:
        raise ev.fail("E0407", key.span, f"`{key.id}` is set twice")
    return definition.settings[key.id]


def no_setting(ev: Evaluator, definition: type[Definition], statement: syntax.Bind,
               body: Sequence[syntax.Statement]) -> Halt:  # fmt: skip
    """The section has no setting of that name; the value is looked at as that of the one that is meant."""
    key = statement.targets[0]
    names = [*definition.settings, *later(definition.name)]
    fields = (ev.scope.file.inputs, ev.scope.file.outputs) if definition is Data else ()
    own = of_optimizer(key.id, body) if definition is Train else ""
    help = own or aliases.setting(key.id, names)
    place = statement.span if help.startswith("leave it out") else key.span
    halt = ev.fail("E0601", place, f"`{definition.name}` has no setting `{key.id}`",
                   help=help or of_another(definition, key.id)
                        or ev.e.nearest.did_you_mean(key.id, lambda: [*names, *chain(*fields)])
                        or f"its settings are {', '.join(f'`{n}`' for n in definition.settings)}",
                   )  # fmt: skip
    meant = aliases.called(key.id, definition.settings) if not own else ""
    if meant:
        with suppress(Halt):
            value_of(ev, definition, definition.settings[meant], statement.value)
    return halt


def of_optimizer(name: str, body: Sequence[syntax.Statement]) -> str:
    """What to do about a setting of the optimizer that stands beside it."""
    if name not in aliases.OPTIMIZERS_OWN:
        return ""
    known = Definition.families["optimizer"]
    own = aliases.OPTIMIZERS_OWN[name]
    chosen = known.get(_optimizer(body)) or known["sgd" if own == "momentum" else "adam"]
    if own not in chosen.settings:
        return f"`{chosen.name}` has none; {aliases.REGULARIZE}"
    given = f"{own}=..." if own == "lr" or not chosen.settings["lr"].required else f"lr=..., {own}=..."
    return f"it belongs to the optimizer: `optimizer = {chosen.name}({given})`"


def _optimizer(body: Sequence[syntax.Statement]) -> str:
    """The name of the optimizer in the body of `train`, as it is called here."""
    for statement in body:
        if isinstance(statement, syntax.Bind) and statement.targets[0].id == "optimizer":
            head = statement.value.function if isinstance(statement.value, syntax.Call) else statement.value
            name = head.id if isinstance(head, syntax.Name) else getattr(head, "name", "")
            return name if name in Definition.families["optimizer"] else aliases.named(name, "optimizer")
    return ""


def with_own(statement: syntax.Bind, body: Sequence[syntax.Statement]) -> syntax.Expr:
    """The value of a setting; an optimizer with those settings of it that stand beside it, and are told."""
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


def of_another(definition: type[Definition] | None, name: str) -> str:
    """Which other section has a setting of that name, or of what it is called here."""
    for section in Definition.families["section"].values():
        words = (name, *aliases.SETTINGS.get(name, ()))
        found = next((word for word in words if word in section.settings), "")
        if found and section is not definition:
            return f"it stands in `{section.name}`: `{section.name} {{ {found} = ... }}`"
    return ""


def data_section(
    e: Elaboration, ev: Evaluator, tree: syntax.File, written: syntax.Section | None
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
    value = arguments.read(ev, MemberOf("field"), expr)
    try:
        return MemberOf("field").accept(value)
    except Reject as reject:
        raise ev.fail(reject.code, expr.span, f"`{name}` of `data`: {reject.message}",
                      help='write `column("name")`, `columns("a", "b")`, '
                           '`normal()` or `uniform()`') from None  # fmt: skip


def chosen_outputs(e: Elaboration, ev: Evaluator, export: Export) -> Export:
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
        outputs = arguments.value_of(ev, Export, Export.settings["outputs"], listed)
    except Halt:
        return export
    places = {**export.spans, "outputs": listed.span}
    return Export(**export.values() | {"outputs": outputs}).placed(export.span, places)


def check_together(
    e: Elaboration,
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


def check_weights(e: Elaboration, train: Train, written: syntax.Section | None) -> None:
    """What is frozen, loaded into or kept small has to be there, unless an error kept it from being made."""
    if e.problems.failed:
        return
    with reported(e, train, written):
        train.check_weights(tuple(e.builder.weights.values()))


@contextmanager
def reported(e: Elaboration, train: Train, written: syntax.Section | None) -> Iterator[None]:
    """What a check of `train` rejects, as an error at the setting that it is about."""
    try:
        yield
    except Reject as reject:
        own = reject.at.span if isinstance(reject.at, Definition) else train.spans.get(str(reject.at))
        span = own or (written and written.name.span)
        assert span is not None, "what is not written is not wrong"
        e.problems.report(reject.code, span, reject.message, help=reject.help)


def check_data(e: Elaboration, ev: Evaluator, data: Data | None) -> None:
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
