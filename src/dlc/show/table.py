"""The network as a table: a row for every operator, grouped by block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.format.printer import print_type
from dlc.compiler.passes import specialize
from dlc.compiler.passes.cost import multiply_adds, spell, summed
from dlc.show.columns import columns
from dlc.show.objectives import objectives_table
from dlc.show.outline import Group, Outline, OutlineStep, last, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.program import CompiledProgram

Row = tuple[str, str, str, str, str, str]

HEAD = ("stage", "makes", "parameters", "multiply-adds", "initial values", "reads")
NUMBERS = (2, 3)
BLANK = ("", "", "", "")
INDENT = "  "
MAX_LABEL = 60  # characters of a stage


def table(program: CompiledProgram) -> str:
    """The result type, parameters, multiply-adds and initial values of each stage, the totals, and what each
    step and each phase trains."""
    graph = visible(program)
    outline = Outline(graph)
    parts = outline.parts()
    read = set(graph.inputs)
    inputs = [i for i in program.inputs if i.value in read]
    rows = TableBuilder(tuple(i.name for i in inputs))
    lines: list[Row] = [(i.name, print_type(i.declared), *BLANK) for i in inputs]
    lines += rows.of(parts, "", 0)
    lines += [rows.output(o.name, print_type(o.declared), outline.called(o.flowed)) for o in program.outputs]
    heading = f"{program.name}: {title}" if (title := program.description.split("\n")[0]) else program.name
    shown = [columns(HEAD, lines, NUMBERS), ""] if lines else []
    trained = objectives_table(program)
    below = ["", trained] if trained else []
    return "\n".join([heading, "", *shown, *summary(program, parts), *below]) + "\n"


class TableBuilder:
    """Makes rows. The operands of a row are shown only if they differ from the result of the row above."""

    def __init__(self, before: tuple[str, ...]) -> None:
        self.before = before

    def of(self, parts: Sequence[OutlineStep | Group], path: str, depth: int) -> Iterator[Row]:
        """The rows of the group with this path, such as `group.basic.`."""
        known: dict[tuple, str] = {}
        for part in parts:
            if isinstance(part, OutlineStep):
                yield self._step(part, path, depth)
                continue
            form = part.key()
            if form in known:
                yield self._alike(part, known[form], depth)
                continue
            known[form] = part.name
            yield (f"{INDENT * depth}{part.name}", "", *BLANK)
            yield from self.of(part.parts, f"{path}{part.name}.", depth + 1)

    def output(self, name: str, type: str, reads: str) -> Row:
        return (name, type, "", "", "", self._reads((reads,), ""))

    def _step(self, step: OutlineStep, path: str, depth: int) -> Row:
        reads = self._reads(step.reads, path, step.node.operator.given)
        self.before = (step.node.results[0].name,)
        return (
            INDENT * depth + labelled(step), step.makes, number(step.parameters), number(step.multiply_adds),
            step.initial, reads,
        )  # fmt: skip

    def _alike(self, group: Group, first: str, depth: int) -> Row:
        """The single row of a group that does the same as a group above."""
        self.before = ([*group.steps()][-1].node.results[0].name,)
        how = "the same weights" if group.is_net else f"as {first}"
        label = f"{INDENT * depth}{group.name} ({how})"
        return (label, group.makes, number(group.parameters), number(group.multiply_adds), "", "")

    def _reads(self, names: tuple[str, ...], path: str, settings: Sequence[str] = ()) -> str:
        """The names of operands; within the same group, without its path. The last ones are of settings."""
        if names == self.before and not settings:
            return ""
        shown = [n.removeprefix(path) for n in names]
        count = len(shown) - len(settings)
        given = (f"{name}={n}" for name, n in zip(settings, shown[count:], strict=True))
        return ", ".join([*shown[:count], *given])


def labelled(step: OutlineStep) -> str:
    """`conv_2(64, 3, padding=1)`: the name of the step, which prefixes its weights, and its settings."""
    settings = step.call.removeprefix(step.node.operator.name)
    label = f"{step.name}{settings}"
    return label if len(label) <= MAX_LABEL else f"{label[: MAX_LABEL - 4]}...)"


def number(size: Size) -> str:
    return "" if size == 0 else spell(size)


def summary(program: CompiledProgram, parts: Sequence[OutlineStep | Group]) -> Iterator[str]:
    steps = [s for part in parts for s in part.steps()]
    parameters = summed(s.parameters for s in steps)
    work = spell(summed(s.multiply_adds for s in steps))
    yield f"{spell(parameters)} parameters{memory(parameters)}, {work} multiply-adds for one sample"
    yield from decoded(program)
    fitted = [last(s.node.name) for s in steps if any(w.role == "fitted" for w in s.weights)]
    if fitted:
        yield f"fitted to the training rows before training: {', '.join(fitted)}"
    if program.params:
        from dlc.compiler.definitions.definition import spell_value

        given = ", ".join(f"{name} = {spell_value(value)}" for name, value in program.params.items())
        yield f"params: {given}"
    if program.settings:
        yield f"set: {', '.join(f'{name} = {text}' for name, text in program.settings.items())}"


def decoded(program: CompiledProgram) -> Iterator[str]:
    """How outputs are answered step by step, and what that costs."""
    outputs = specialize.decoded_outputs(program)
    work = spell(multiply_adds(specialize.inference(program).nodes)) if outputs else ""
    for output in outputs:
        assert output.decoder is not None
        how = f"({output.decoder.name}, at most {output.decoder.max:_} steps)"
        yield f"`{output.name}` is answered step by step {how}: {work} multiply-adds for one sample"


def memory(parameters: Size) -> str:
    """The size of the parameters in float32."""
    if not isinstance(parameters, int) or not parameters:
        return ""
    size, unit = parameters * 4.0, "bytes"
    for larger in ("KiB", "MiB", "GiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f" ({size:.0f} {unit})" if unit == "bytes" or size >= 100 else f" ({size:.3g} {unit})"
