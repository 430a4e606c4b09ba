"""From the syntax tree to the graph: names, settings, static control flow, shapes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.elaborate import (
    allowed_warnings,
    average_nets,
    dead_code,
    declarations,
    decoded_output,
    given_settings,
    imports,
    misplaced_settings,
    params,
    sections,
    shared_classes,
    statements,
    unknown_names,
)
from dlc.compiler.elaborate.context import Elaboration
from dlc.compiler.elaborate.evaluate import ExpressionEvaluator
from dlc.compiler.elaborate.scope import FileScope, Scope
from dlc.compiler.elaborate.values import Halt, InputRef, OutputRef, Stop, Template
from dlc.compiler.ir.graph import Input
from dlc.compiler.passes import (
    learners,
    lengths,
    lints,
    missing_values,
    offsets,
    runtimes,
    specialize,
    text_lengths,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlc.compiler.diagnostics.source import Source
    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.ir.graph import Value
    from dlc.compiler.program import CompiledProgram


class Elaborator(Elaboration):
    """Expands one spec into a program."""

    def run(self, source: Source) -> CompiledProgram:
        """The program of a spec. Raises `CompileError` if the spec has errors."""
        try:
            program = self._run(self._with_settings(self.parse(source)))
        except Stop:
            program = None
        allowed = allowed_warnings.apply(self.problems, self.comments)
        self.problems.check()
        assert program is not None
        return replace(program, warnings=tuple(self.problems.sorted()), allowed=allowed)

    def _with_settings(self, written: syntax.File) -> syntax.File:
        """The file with the settings that a command gives."""
        if not self.settings:
            return written
        tree = given_settings.apply(written, self.settings, self.problems)
        self.comments = given_settings.comments_of(written, tree)
        return tree

    def _run(self, tree: syntax.File) -> CompiledProgram:
        file = FileScope(tree.source)
        scope = self.top = Scope(file, top=True)
        ev = ExpressionEvaluator(self, scope)
        self.file_names = {t.id for s in tree.body if isinstance(s, syntax.Bind) for t in s.targets}
        self.declare(ev, tree)
        params.reject_unknown(ev)
        self.sharing = shared_classes.from_syntax(ev, tree)
        self.ended = decoded_output.fields_with_end(tree, self.sharing)
        self._inputs(ev, tree)
        self._outputs(ev, tree)
        declarations = (
            syntax.Import,
            syntax.Param,
            syntax.Input,
            syntax.Output,
            syntax.Block,
            syntax.AverageNet,
            syntax.Section,
        )
        continue_after_error(
            lambda: statements.run(ev, [s for s in tree.body if not isinstance(s, declarations)])
        )
        self._check_outputs(ev)
        program = sections.assemble(self, ev, tree)
        dead_code.check(ev, tree)
        misplaced_settings.warn(ev, tree)
        if not self.problems.failed:
            program = missing_values.mark_inputs(offsets.subtract_in_float64(program))
            lengths.check(program, self.problems)
            if not self.problems.failed:
                specialize.check_decoding(program, self.problems)
            runtimes.check(program, self.problems)
            text_lengths.check(program, self.problems)
            learners.check_steps(program, self.problems)
        lints.look(program, self.problems)
        return program

    # --- declarations -------------------------------------------------------------------------------------

    def declare(self, ev: Evaluator, tree: syntax.File) -> None:
        """Declare the names that the whole file can use: imports, params, blocks, nets and weights."""
        file = ev.scope.file
        declarations.declare_names(ev, tree)
        for statement in tree.body:
            try:
                if isinstance(statement, syntax.Import):
                    imports.run(ev, statement, self.declare)
                elif isinstance(statement, syntax.Param):
                    declarations.require_valid(ev, statement.name)
                    file.params[statement.name.id] = params.value(ev, statement)
                elif isinstance(statement, syntax.Block):
                    declarations.require_valid(ev, statement.name)
                    self._check_block(ev, statement)
                    template = file.templates[statement.name.id] = Template(statement, ev.scope)
                    if statement.is_net and ev.scope is self.top:
                        self.builder.net_name(template)
                elif isinstance(statement, syntax.Weight):
                    declarations.require_valid(ev, statement.name)
                    file.weights[statement.name.id] = statement
            except Halt:
                statements.break_names(ev, [statement])
                imports.break_declared(file, statement)
        self._average_nets(ev, [s for s in tree.body if isinstance(s, syntax.AverageNet)])

    def _average_nets(self, ev: Evaluator, written: list[syntax.AverageNet]) -> None:
        file = ev.scope.file
        averages = {s.name.id for s in written if s.name not in file.rejected}
        for statement in written:
            try:
                average_nets.declare(ev, statement, averages)
            except Halt:
                imports.break_declared(file, statement)

    def _check_block(self, ev: Evaluator, block: syntax.Block) -> None:
        seen: set[str] = set()
        for ident in (*block.tensors, *(s.name for s in block.settings)):
            declarations.check_name(ev, ident)
            if ident.id in seen:
                raise ev.fail("E0303", ident.span, f"`{ident.id}` is declared twice")
            seen.add(ident.id)

    def _inputs(self, ev: Evaluator, tree: syntax.File) -> None:
        file = ev.scope.file
        for statement in tree.body:
            if not isinstance(statement, syntax.Input):
                continue
            group: list[Value] = []
            for ident in statement.names:
                try:
                    declarations.require_valid(ev, ident)
                    group.append(self._input(ev, ident, statement.type))
                except Halt:
                    imports.break_declared(file, statement)
            if statement.group is not None:
                try:
                    declarations.require_valid(ev, statement.group)
                    file.groups[statement.group.id] = tuple(group)
                except Halt:
                    imports.break_declared(file, statement)
        self.input_names = frozenset(file.free)

    def _input(self, ev: Evaluator, ident: syntax.Ident, type: syntax.Expr) -> Value:
        wanted = declarations.read_type(ev, type, ident.id)
        flows = wanted.with_element("bool") if wanted.element == "binary" else wanted
        value = self.builder.input("input", ident.id, flows, ident.span)
        self.inputs.append(Input(ident.id, wanted, value, self.builder.site(ident.span)))
        ev.scope.file.inputs[ident.id] = InputRef(ident.id, value)
        return value

    def _outputs(self, ev: Evaluator, tree: syntax.File) -> None:
        file = ev.scope.file
        for statement in tree.body:
            if not isinstance(statement, syntax.Output):
                continue
            name = statement.name.id
            try:
                declarations.require_valid(ev, statement.name)
                field = statement.target.id if statement.target else name
                type = declarations.read_type(ev, statement.type, field, is_target=True)
                if type.element == "string":
                    raise ev.fail(
                        "E0210", statement.type.span, "an output cannot be text; a `class` output gives names"
                    )
                file.outputs[name] = OutputRef(name, type, field, statement.name.span)
                self.unfilled_outputs[name] = file.outputs[name]
            except Halt:
                imports.break_declared(file, statement)
                self.unfilled_outputs.pop(name, None)
        for statement in tree.body:
            if (
                isinstance(statement, syntax.Output)
                and statement.target
                and statement.target.id not in file.outputs
            ):
                continue_after_error(lambda output=statement: self._no_target(ev, output))

    def _no_target(self, ev: Evaluator, output: syntax.Output) -> Halt:
        name, other = output.name.id, output.target
        assert other is not None
        if other.id not in ev.scope.file.inputs:
            return unknown_names.unresolved(ev, other.id, other.span)
        message = f"`{other.id}` is an input, and `{name}` can share only the target of another output"
        raise ev.fail("E0302", other.span, message,
                      help=f"compare them in the loss: `loss = mse({name}, {other.id})`")  # fmt: skip

    def _check_outputs(self, ev: Evaluator) -> None:
        for output in ev.scope.file.outputs.values():
            if (
                not isinstance(output, OutputRef)
                or output.broken
                or self.has_dangling_flow
                or self.recovery.flow_end_lost
                or output.name in self.recovery.names
            ):
                continue
            if output.scores is None:
                self.problems.report("E0504", output.span, f"nothing flows into the output `{output.name}`",
                                     help=f"end a flow with it: `... -> {output.name}`; a value that only "
                                          "a loss reads is an `input`")  # fmt: skip


def continue_after_error(report: Callable[[], Any]) -> None:
    """Call `report`, and continue after the error that it reports."""
    try:
        report()
    except Halt:
        return
