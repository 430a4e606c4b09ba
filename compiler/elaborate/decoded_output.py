"""The output that `export { decode = ... }` names, and the classes that gain an end.

The number of classes is part of shapes, so the name of the output is read before the types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler import syntax
from dlc.compiler.definitions.definition import Reject
from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.dims.dim import names
from dlc.compiler.elaborate.exports import can_be_decoded
from dlc.compiler.elaborate.shared_classes import reads_text
from dlc.compiler.elaborate.values import OutputRef
from dlc.compiler.ir.graph import answer_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.definitions.export_section import Export
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Elaboration, Evaluator
    from dlc.compiler.ir.graph import Value


def fields_with_end(tree: syntax.File, sharing: Mapping[str, str]) -> frozenset[str]:
    """The fields whose classes have an end: the target of the decoded output, and those that share its
    classes. Windows of a text have no end."""
    name = named(tree)
    data = section(tree, "data")
    if not name or (data and reads_text(data.body)):
        return frozenset()
    declared = (s for s in tree.body if isinstance(s, syntax.Output) and s.name.id == name)
    outputs = (s for s in declared if may_be_of_any_length(s.type))
    targets = {(s.target or s.name).id for s in outputs}
    pairs = [*sharing.items(), *shared_by_like(tree)]
    ended: set[str] = set()
    while not targets <= ended:
        ended |= targets
        targets = {field for pair in pairs if not ended.isdisjoint(pair) for field in pair}
    return frozenset(ended)


def shared_by_like(tree: syntax.File) -> Iterator[tuple[str, str]]:
    """The fields that are declared with `class(like=...)`, each with the field that it names."""
    declared = [s for s in tree.body if isinstance(s, (syntax.Input, syntax.Output))]
    targets = {s.name.id: (s.target or s.name).id for s in declared if isinstance(s, syntax.Output)}
    for statement in declared:
        type = statement.type.value if isinstance(statement.type, syntax.Index) else statement.type
        given = type.arguments if isinstance(type, syntax.Call) else ()
        for named in (a.value for a in given if a.name == "like" and isinstance(a.value, syntax.Name)):
            other = targets.get(named.id, named.id)
            if isinstance(statement, syntax.Output):
                yield targets[statement.name.id], other
            else:
                yield from ((name.id, other) for name in statement.names)


def may_be_of_any_length(type: syntax.Expr) -> bool:
    """Whether a type has one axis, of a size that is written as a name: `class(auto)[T]`."""
    sizes = type.items if isinstance(type, syntax.Index) else ()
    return len(sizes) == 1 and isinstance(sizes[0], syntax.Name)


def named(tree: syntax.File) -> str:
    """The name of the output that is decoded; empty if there is none."""
    written = section(tree, "export")
    for statement in written.body if written else ():
        if isinstance(statement, syntax.Bind) and statement.targets[0].id == "decode":
            call = statement.value
            given = call.arguments if isinstance(call, syntax.Call) else ()
            first = next((a.value for a in given if a.name in (None, "output")), None)
            return first.id if isinstance(first, syntax.Name) else ""
    return ""


def check(state: Elaboration, ev: Evaluator, export: Export, tree: syntax.File) -> None:
    """Check the output that is decoded, and keep its decoder."""
    decoder = export.decode
    if decoder is None:
        return
    output, span = ev.scope.file.outputs.get(decoder.output.name), decoder.output.expr.span
    if not isinstance(output, OutputRef):
        if decoder.output.name not in ev.scope.file.outputs and not state.problems.failed:
            state.problems.report("E0301", span, f"no output is called `{decoder.output.name}`",
                                  help=f"the outputs are {listed(ev.scope.file.outputs)}")  # fmt: skip
        return
    if named(tree) != output.name:
        state.problems.report("E0602", export.spans["decode"],
                              "`decode` cannot stand in an `if`: the number of classes depends on it",
                              help="write it on its own in `export`")  # fmt: skip
        return
    declared = output.declared
    if not can_be_decoded(declared):
        message = f"`{output.name}` is {declared}: a sequence of classes of any length can be decoded"
        state.problems.report("E0403", span, message, help="declare it as `class(...)[T]`")
        return
    assert declared.classes is not None
    try:
        decoder.check(declared.classes)
    except Reject as reject:
        at = export.spans.get("decode", span)
        state.problems.report("E0403", at, reject.message, help=reject.help)
    check_dimensions(state, output.name, span)
    state.decoder = decoder


def check_dimensions(state: Elaboration, name: str, span: Span) -> None:
    """Check that the dimension of the answer has its name for itself."""
    own = answer_steps(name)
    for field in state.inputs:
        if any(names(own) & names(size) for size in field.declared.shape):
            state.problems.report("E0607", span, f"the answer of `{name}` has the dimension `{own}`",
                                  help=f"give the dimension of `{field.name}` another name")  # fmt: skip


def is_decoded(state: Elaboration, output: OutputRef) -> bool:
    """Whether the answer of an output is made step by step."""
    return state.decoder is not None and state.decoder.output.name == output.name


def continues_prompt(state: Elaboration, output: OutputRef) -> bool:
    """Whether the decoded answer of an output comes after an input, since it does not read its target."""
    if not is_decoded(state, output):
        return False
    read: set[Value] = {value for field, value in state.targets.items() if field == output.target}
    for node in state.builder.nodes if read else ():
        if not read.isdisjoint(node.operands):
            read.update(node.results)
    return output.scores not in read


def section(tree: syntax.File, name: str) -> syntax.Section | None:
    return next((s for s in tree.body if isinstance(s, syntax.Section) and s.name.id == name), None)
