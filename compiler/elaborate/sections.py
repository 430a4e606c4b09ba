"""The sections of a file, and with them the whole program."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from dlc.compiler import foreign, syntax
from dlc.compiler.definition import Definition
from dlc.compiler.elaborate import calls, expectations, flow, settings
from dlc.compiler.elaborate.evaluate import Evaluator
from dlc.compiler.elaborate.values import Halt, Operand, OutputRef
from dlc.compiler.ir import Output, Value
from dlc.compiler.kinds import Defined, Reject
from dlc.compiler.operators.arithmetic import Add
from dlc.compiler.operators.operands import spell_classes
from dlc.compiler.passes import checks, initial_values
from dlc.compiler.program import Program
from dlc.compiler.sections import Data, Export, runtime_opset
from dlc.compiler.suggest import did_you_mean
from dlc.compiler.training.later import LATER
from dlc.compiler.training.losses import DEFAULT_LOSS
from dlc.compiler.training.metrics import DEFAULT_METRICS, figures
from dlc.compiler.training.objective import BatchMean
from dlc.compiler.training.section import Train
from dlc.compiler.types import FLOATS, INTEGERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dlc.compiler.elaborate import Elaborator
    from dlc.compiler.training.metrics import Metric

# What messages call the many kinds of numbers.
ELEMENT_WORDS: dict[str, str] = {**dict.fromkeys(FLOATS, "float"), **dict.fromkeys(INTEGERS, "int")}
SECTIONS = ("data", "train", "export", "expect", "tune")


def assemble(e: Elaborator, ev: Evaluator, tree: syntax.File) -> Program:
    """Read the sections and put the program together."""
    written = find(e, tree)
    data = section(e, ev, Data, written.get("data"), own_field(e, ev))
    train = section(e, ev, Train, written.get("train")) or Train()
    export = section(e, ev, Export, written.get("export")) or Export()
    loss = total_loss(e, ev, train, bool(written.get("train") or written.get("data")))
    metrics = tuple(chosen_metrics(e, ev, train))
    check_together(e, train, written.get("train"), figures(metrics), data is None or bool(data.validation))
    check_data(e, ev, data)
    expected = expectations.read(ev, written.get("expect"), metrics)
    graph = initial_values.choose(e.graph({"loss": loss} if loss else {}))
    checks.learnt_first(graph, e.problems)
    return Program(
        source=tree.source, sources=tuple(e.sources),
        name=posixpath.splitext(posixpath.basename(tree.source.name))[0], description=tree.description,
        params=dict(ev.scope.file.params), inputs=tuple(e.inputs),
        outputs=e.outputs(ev.scope.file), graph=graph, loss=loss,
        data=data, train=train, export=export, exports=exported(e, ev, export),
        expectations=expected, metrics=metrics,
        warnings=tuple(e.problems.sorted()), bindings={**ev.scope.names}, facts=e.facts,
    )  # fmt: skip


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
        elif word == "tune":
            e.problems.report(
                "E0901",
                statement.name.span,
                "`tune` is not built yet",
                help="take the section out; `--set NAME=value` sets a param",
            )
        written.setdefault(word, statement)
    return written


def section(e: Elaborator, ev: Evaluator, definition: type[Definition], written: syntax.Section | None,
            extra: Callable[[syntax.Bind, dict[str, Any]], bool] | None = None) -> Any:  # fmt: skip
    """An instance of the section from its settings; none if the file has no such section or it is wrong."""
    if written is None:
        return None
    values: dict[str, Any] = {}
    places: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for statement in settings_of(ev, written.body):
        try:
            if extra and extra(statement, fields):
                continue
            declared = key_of(ev, definition, statement, values)
            values[declared.name] = None
            at = Evaluator(e, ev.scope, losses=declared.name == "loss")
            values[declared.name] = settings.setting_value(at, definition, declared, statement.value)
            places[declared.name] = statement.value.span
        except Halt:
            if len(statement.targets) == 1:
                values.pop(statement.targets[0].id, None)
    instance = definition(**values)
    object.__setattr__(instance, "span", written.name.span)
    object.__setattr__(instance, "spans", places)
    object.__setattr__(instance, "fields", fields)
    return instance


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
        elif isinstance(statement, syntax.Section) and statement.name.id in LATER["train"]:
            ev.e.problems.report(
                "E0901",
                statement.name.span,
                f"`{statement.name.id}` is not built yet",
                help="it will come with a later version of dlc",
            )
        else:
            ev.e.problems.report("E0602", statement.span, "expected a setting, `name = value`")


def key_of(
    ev: Evaluator, definition: type[Definition], statement: syntax.Bind, values: dict[str, Any]
) -> Any:
    key = statement.targets[0]
    if len(statement.targets) > 1:
        raise ev.fail("E0602", statement.span, "a setting has one name")
    if key.id in LATER.get(definition.name, ()):
        raise ev.fail(
            "E0901",
            key.span,
            f"`{key.id}` in `{definition.name}` is not built yet",
            help="it will come with a later version of dlc",
        )
    if key.id not in definition.settings:
        names = [*definition.settings, *LATER.get(definition.name, ())]
        if definition is Data:
            names += [*ev.scope.file.inputs, *ev.scope.file.outputs]
        raise ev.fail("E0601", key.span, f"`{definition.name}` has no setting `{key.id}`",
                      help=foreign.setting(key.id, names) or did_you_mean(key.id, names)
                           or f"its settings are {', '.join(f'`{n}`' for n in definition.settings)}",
                      )  # fmt: skip
    if key.id in values:
        raise ev.fail("E0407", key.span, f"`{key.id}` is set twice")
    return definition.settings[key.id]


def own_field(e: Elaborator, ev: Evaluator) -> Callable[[syntax.Bind, dict[str, Any]], bool]:
    """Reads `FIELD = column(...)` of `data`, where FIELD is an input or a target."""

    def read(statement: syntax.Bind, fields: dict[str, Any]) -> bool:
        name = statement.targets[0].id
        file = ev.scope.file
        if name in Data.settings or not (name in file.inputs or name in file.outputs):
            return False
        value = settings.directed_value(ev, Defined("field"), statement.value)
        try:
            fields[name] = Defined("field").accept(value)
        except Reject as reject:
            raise ev.fail(reject.code, statement.value.span, f"`{name}` of `data`: {reject.message}",
                          help='write `column("name")`, `columns("a", "b")`, '
                               '`normal()` or `uniform()`') from None  # fmt: skip
        return True

    return read


def check_together(
    e: Elaborator, train: Train, written: syntax.Section | None, measured: list[str], validated: bool
) -> None:
    """Settings of `train` that do not go with each other, or with what is measured."""
    if written is None:
        return
    try:
        train.check()
        train.check_watched(measured, validated)
    except Reject as reject:
        span = train.spans.get(str(reject.at), written.name.span)
        e.problems.report(reject.code, span, reject.message, help=reject.help)


# --- loss and metrics -------------------------------------------------------------------------------------


def total_loss(e: Elaborator, ev: Evaluator, train: Train, wanted: bool) -> Value | None:
    """What training makes small: as written, or the sum of what the outputs' types imply."""
    try:
        value = train.loss or implied_loss(e, ev, wanted)
        if value is not None and (value.type.batched or value.type.shape):
            value = e.builder.apply(BatchMean(), [Operand(value, value.site.span)], value.site.span)[0]
        return value
    except Halt:
        return None


def implied_loss(e: Elaborator, ev: Evaluator, wanted: bool) -> Value | None:
    total: Value | None = None
    for output in ev.scope.file.outputs.values():
        if not isinstance(output, OutputRef) or output.scores is None:
            continue
        loss = DEFAULT_LOSS.get(output.declared.element)
        if loss is None:
            if wanted and e.builder.weights:
                e.problems.report("E0603", output.span,
                                  f"`{output.name}` is {output.declared.element}, which implies no loss",
                                  help="write the loss into `train { loss = ... }`")  # fmt: skip
            return None
        definition = Definition.families["loss"][loss]
        stage = calls.DefinedStage(definition(), (), output.span, {})
        own = flow.apply(
            Evaluator(e, ev.scope, losses=True),
            stage,
            [Operand(output.scores, output.span, output)],
            output.span,
        )
        if total is None:
            total = own
        else:
            total = e.builder.apply(
                Add(), [Operand(total, output.span), Operand(own, output.span)], output.span
            )[0]
    return total


def chosen_metrics(e: Elaborator, ev: Evaluator, train: Train) -> Iterator[tuple[str, Metric]]:
    """The pairs of output and metric: those written that fit, or those that the type implies."""
    outputs = [
        o
        for o in ev.scope.file.outputs.values()
        if isinstance(o, OutputRef) and o.scores is not None and o.target_value is not None
    ]
    for output in outputs:
        wanted = DEFAULT_METRICS.get(output.declared.element, ()) if train.metrics is None else train.metrics
        yield from ((output.name, m) for m in wanted if m.fits(output.declared))
    for metric in train.metrics or ():
        if outputs and not any(metric.fits(o.declared) for o in outputs):
            elements = " or ".join(dict.fromkeys(ELEMENT_WORDS.get(e, e) for e in metric.for_elements))
            listed = ", ".join(f"{o.name}: {spell_classes(o.declared)}" for o in outputs)
            e.problems.report("E0604", metric.span,
                              f"`{metric.name}` is for outputs of type {elements}, and the file has "
                              "none with a target", help=f"its outputs are {listed}")  # fmt: skip


def check_data(e: Elaborator, ev: Evaluator, data: Data | None) -> None:
    """Names in `data` have to be fields of the file."""
    if data is None or data.stratify is None:
        return
    file = ev.scope.file
    output = file.outputs.get(data.stratify)
    if not isinstance(output, OutputRef) or output.declared.element not in ("class", "binary", "bool"):
        e.problems.report("E0605", data.spans["stratify"],
                          f"`stratify` wants a class or binary output, `{data.stratify}` is none",
                          help=did_you_mean(data.stratify, file.outputs))  # fmt: skip


# --- export -----------------------------------------------------------------------------------------------


def exported(e: Elaborator, ev: Evaluator, export: Export) -> tuple[tuple[str, Output | Value], ...]:
    """What the artifact answers: all outputs, or the outputs and tensors that `export` names."""
    outputs = {o.name: o for o in e.outputs(ev.scope.file)}
    check_opset(e, export)
    if export.outputs == ():
        e.problems.report("E0403", export.spans["outputs"], "the artifact would have no output",
                          help="name what it answers, or leave `outputs` out for all outputs: "
                               f"{', '.join(outputs)}")  # fmt: skip
    if export.outputs is None:
        chosen: list[tuple[str, Any]] = list(outputs.items())
    else:
        chosen = []
        for entry in export.outputs:
            try:
                chosen.append((entry.name, export_value(ev, entry, outputs)))
            except Halt:
                continue
    check_names(e, chosen, export)
    check_targets(e, chosen)
    return tuple(chosen)


def check_opset(e: Elaborator, export: Export) -> None:
    """The runtime that is asked for runs the opset that is asked for."""
    newest = runtime_opset(export.target)
    if export.opset and newest and "target" in export.spans and export.opset > newest[0]:
        e.problems.report("E0403", export.spans["opset"],
                          f"{export.target} is sure to run opset {newest[0]}, and {export.opset} is newer",
                          help="leave `opset` out: `target` chooses it")  # fmt: skip


def export_value(ev: Evaluator, entry: Any, outputs: dict[str, Output]) -> Any:
    value = ev.evaluate(entry.expr)
    if isinstance(value, OutputRef):
        if value.name not in outputs:
            raise Halt
        return outputs[value.name]
    if not isinstance(value, Value):
        raise flow.no_tensor(ev, value, entry.expr.span)
    return value


def check_names(e: Elaborator, chosen: list[tuple[str, Any]], export: Export) -> None:
    """Names in the artifact are unique."""
    seen: dict[str, str] = {}
    inputs = {i.name for i in e.inputs}
    for name, value in chosen:
        for answer in answer_names(name, value):
            if answer in inputs:
                e.problems.report("E0607", value.site.span,
                                  f"the artifact would have an input and an output `{answer}`",
                                  help=f"give it another name: `{answer}_out = {answer} -> identity`"
                                  if answer == name else "rename one of them")  # fmt: skip
            elif answer in seen:
                declared = isinstance(value, Output) and isinstance(dict(chosen)[seen[answer]], Output)
                e.problems.report("E0607", value.site.span,
                                  f"the artifact would have two outputs `{answer}`, from `{seen[answer]}` "
                                  f"and from `{name}`",
                                  help="rename one of them" if declared
                                       else "leave one out: a class or binary output brings its "
                                            "probabilities along")  # fmt: skip
            seen[answer] = name


def answer_names(name: str, value: Any) -> list[str]:
    """The artifact's names of one export."""
    element = value.declared.element if isinstance(value, Output) else ""
    return [name, *{"class": [f"{name}_probabilities"], "binary": [f"{name}_probability"]}.get(element, [])]


def check_targets(e: Elaborator, chosen: list[tuple[str, Any]]) -> None:
    """What is exported cannot depend on an answer that only training knows."""
    targets = set(e.targets.values())
    for name, value in chosen:
        flowed = value.flowed if isinstance(value, Output) else value
        waiting, seen = [flowed], set()
        while waiting:
            current = waiting.pop()
            if current in targets:
                e.problems.report("E0608", value.site.span,
                                  f"`{name}` depends on the target `{current.name.removesuffix('.target')}`, "
                                  "which only training knows",
                                  help="leave it out of `export { outputs = ... }`, or "
                                       "compute it from inputs")  # fmt: skip
                break
            node = e.builder.producers.get(current)
            if node is not None and node not in seen:
                seen.add(node)
                waiting += node.operands
