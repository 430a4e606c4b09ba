"""What training makes small, and how fast it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.pytorch_source.code import WIDTH, Code, call, inline, lines, text
from dlc.compiler.lower.pytorch_source.data import Rows
from dlc.compiler.lower.pytorch_source.forms import DTYPES, Functions, Written
from dlc.compiler.lower.pytorch_source.frames import is_net, nodes_of
from dlc.compiler.lower.pytorch_source.functions import Body, head
from dlc.compiler.lower.pytorch_source.parts import differentiated, kept_small, sources_of
from dlc.compiler.lower.pytorch_source.writer import local, safe
from dlc.compiler.output_kinds import kind_of
from dlc.compiler.passes import specialize
from dlc.compiler.training.initial_state import by_net

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.lower.pytorch_source.emitter import Emitter

INDENT = "    "


def compute_loss(e: Emitter, rows: Rows) -> list[str]:
    program = e.program
    names: dict[Any, str] = {field.value: field.name for field in rows.fields}
    body = Body(e, dict(names))
    targets = set(rows.targets)
    found = head("compute_loss", ["model", *names.values()], "What training makes small.")
    found += rows.draws()
    if differentiated(e.graph):
        found.insert(2, "@torch.enable_grad()")
        moved = {value for value in sources_of(e.graph, differentiated(e.graph)) if value.type.is_float}
        fields = (*rows.fields, *rows.drawn)
        found += [f"{INDENT}{field.name}.requires_grad_()" for field in fields if field.value in moved]
    for field in rows.drawn:
        names[field.value] = field.name
        body.names[field.value] = field.name
        body.writer.env[field.value] = local(field.value)
    for field in rows.fields:
        if field.value in targets:
            body.writer.env[field.value] = local(field.value, DTYPES.get(field.value.type.element, ""))
    body.call_model()
    taken = set(names.values())
    body.rename(lambda value, hint: name_of(e, value, hint), taken)
    if program.train.precision == "bf16":
        body.mixed(rows.fields[0].name)
    for item in e.behind:
        if is_net(item):
            body.call_net(item)
            continue
        for node in nodes_of([item]):
            body.writer.write_node(node)
    ends = [body.writer.value(e.graph.outputs[specialize.LOSS])._code]
    kept = {place: r for place, r in enumerate(program.train.regularize) if r.value is not None}
    ends += [body.writer.value(e.graph.outputs.get(kept_small(n), r.value))._code for n, r in kept.items()]
    moved = {e.hint(value) for value in e.moved}
    written, namer = body.lines(ends, [name for name in names.values() if name not in moved])
    if not kept:
        return [*found, *written, *namer.ending(ends, 4)]
    found += [*written, *lines(namer.consume(ends[0]), 4, "loss = "), f"{INDENT}if model.training:"]
    for regularizer, end in zip(kept.values(), ends[1:], strict=True):
        term = regularizer.torch(Functions(), [Written(namer.consume(end))])
        if regularizer.value.type.batched:
            term = term / Written(text(f"len({rows.fields[0].name})"))
        found += lines(term._code, 8, "loss += ")
    return [*found, f"{INDENT}return loss"]


def name_of(e: Emitter, value: Value, hint: str) -> str:
    """What the model gives under the name of a target: its scores, or what it says that it is; a target that
    was moved takes its place."""
    if value in e.moved:
        return hint
    return f"{hint}_scores" if is_score(e, value) else f"predicted_{hint}"


def is_score(e: Emitter, value: Value) -> bool:
    output = e.scored.get(value)
    return output is not None and bool(kind_of(output.declared).activation(output.declared))


def penalty(e: Emitter) -> list[str]:
    """`penalty(model)`: what regularizers add to the loss."""
    terms: dict[tuple[str, ...], list[Code]] = {}  # by the names of the weights that are kept small
    for regularizer, values in specialize.penalized(e.program, e.program.objective):
        chosen = tuple(v.name for v in values)
        if not chosen or regularizer.value is not None:
            continue
        term = regularizer.torch(Functions(), [Written(text("weight"))])._code
        sums = terms.setdefault(chosen, [])
        if sums and len(inline(sums[-1])) + len(inline(term)) < WIDTH:
            term = Code("sign", "+", (sums.pop(), term))
        sums.append(term)
    if not terms:
        return []
    e.penalizes = True
    found = head("penalty", ["model"], "What keeps weights small: layers' alone, never biases or norms.")
    matrices, own = with_several_axes(e), {spec: name for name, spec in e.weight_names.items()}
    before = "return " if sum(map(len, terms.values())) == 1 else "total = "
    for chosen, sums in terms.items():
        found += selected(chosen, matrices, own)
        for term in sums:
            added = call(text("sum"), Code("copies", "weight", (term, text("weights"))))
            found += lines(added, 4, before)
            before = "total += " if before != "return " else before
    return found if before == "return " else [*found, f"{INDENT}return total"]


def with_several_axes(e: Emitter) -> dict[tuple[str, ...], str]:
    """The nets by the weights of theirs that have several axes, and the model, without a name, by its own."""
    found = [w for w in e.program.graph.weights if w.trainable and w.value.type.rank > 1]
    of_nets = {tuple(w.name for w in weights): net for net, weights in by_net(found).items()}
    return of_nets | {tuple(w.name for w in found): ""}


def selected(
    chosen: tuple[str, ...], matrices: Mapping[tuple[str, ...], str], own: Mapping[str, str]
) -> list[str]:
    """`weights`: all with several axes, of the model or of a net, where these are they, else by name."""
    if chosen in matrices:
        of = f"model.{safe(matrices[chosen])}" if matrices[chosen] else "model"
        return [f"{INDENT}weights = [weight for weight in {of}.parameters() if weight.ndim > 1]"]
    listed = Code("list", None, tuple(text(f'"{own[name]}"') for name in chosen))
    return [
        *lines(listed, 4, "names = "),
        f"{INDENT}weights = [model.get_parameter(name) for name in names]",
    ]


def rate(e: Emitter) -> list[str]:
    """`rate(step, steps)`: the learning rate, where it changes."""
    train = e.program.train
    formula = train.schedule.formula(e.optimizer.lr)
    if not formula:
        return []
    e.scheduled = True
    needs = [name for name in ("cos", "pi") if f"{name}" in formula]
    if needs:
        e.imports.add(f"from math import {', '.join(needs)}")
    found = head("rate", ["step", "steps"], "The learning rate of a step, counted from 0.")
    first, condition, rest = formula.partition(" if ")
    if not condition:
        return [*found, *returned(formula, 4)]
    test, _, other = rest.partition(" else ")
    return [*found, f"{INDENT}if {test}:", *returned(first, 8), *returned(other, 4)]


def returned(formula: str, indent: int) -> list[str]:
    margin, (first, plus, rest) = " " * indent, formula.partition(" + ")
    whole = f"{margin}return {formula}"
    if len(whole) <= 88 or not plus:
        return [whole]
    if len(formula) + indent + 4 <= 88:
        return [f"{margin}return (", f"{margin}    {formula}", f"{margin})"]
    return [f"{margin}return (", f"{margin}    {first}", f"{margin}    + {rest}", f"{margin})"]
