"""Lints about settings of training and operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.definitions.definition import Definition, spell_value
from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.training.optimizers import main_optimizer
from dlc.compiler.training.schedules import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.definitions.definition import Setting
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.minimization import Minimization


def unusual_settings(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Numbers outside the usual range of their setting."""
    for definition, span, notes, section in written(program):
        for setting, usual, of in bounded(definition, section):
            value = getattr(definition, setting.name)
            inherited = definition is section and not section.own(setting.name)
            if inherited or value == setting.default or not isinstance(value, (int, float)):
                continue
            low, high = usual
            if not low <= value <= high:
                which = f"{spell_value(value)}, {'below' if value < low else 'above'}"
                yield Diagnostic("W0410", f"`{setting.name}` of `{definition.name}` is {which} "
                                 f"the usual range{of}: {low:g} to {high:g}",
                                 (Label(definition.spans.get(setting.name, span)),), notes,
                                 fix(setting))  # fmt: skip


def bounded(
    definition: Definition, section: Minimization
) -> Iterator[tuple[Setting, tuple[float, float], str]]:
    """The settings with a usual range; the learning rate of a schedule has the range of the optimizer."""
    for setting in definition.settings.values():
        if setting.usual is not None:
            yield setting, setting.usual, ""
    if isinstance(definition, Schedule) and definition.maximum:
        optimizer = main_optimizer(section.optimizer)
        usual = optimizer.settings["lr"].usual
        assert usual is not None
        yield definition.settings[definition.maximum], usual, f" for `{optimizer.name}`"


def fix(setting: Setting) -> str:
    if setting.required:
        return "check the decimal point"
    return f"leave it out for {spell_value(setting.default)}, or check the decimal point"


def written(program: CompiledProgram) -> Iterator[tuple[Definition, Span, tuple[str, ...], Minimization]]:
    """Each definition that the spec uses, with its span, the notes about enclosing blocks, and the section of
    training that it is in."""
    for node in program.graph.nodes:
        yield node.operator, node.site.span, node.site.way(), program.train
    for average in program.averages.values():
        yield average, average.span, (), program.train
    for section in sections(program):
        assert section.span is not None
        yield section, section.span, (), section
        for name, value in section.values().items():
            for part in value if isinstance(value, tuple) else (value,):
                if section.own(name) and isinstance(part, Definition) and part.span is not None:
                    yield part, part.span, (), section


def sections(program: CompiledProgram) -> Iterator[Minimization]:
    """`train`, its phases and its steps, as written."""
    seen = set()
    for training in (program.train, *program.train.phases):
        for section in (training, *training.turns):
            if section.span is not None and section.span not in seen:
                seen.add(section.span)
                yield section


def stopping_on_training_rows(program: CompiledProgram) -> Iterator[Diagnostic]:
    for section in sections(program):
        stopping = getattr(section, "early_stop", None) if section.own("early_stop") else None
        if stopping and stopping.part == "train" and program.data and learns_from_rows(program):
            span = section.spans["early_stop"]
            yield Diagnostic("W0411", f"`early_stop` watches `{stopping.on}`, and there are no validation "
                             "rows: overfitting improves this figure", (Label(span),),
                             help="write `validation = 0.1` into `data`, and watch "
                                  f"`validation.{stopping.figure}`")  # fmt: skip


def learns_from_rows(program: CompiledProgram) -> bool:
    """Whether there are rows for training and none for validation."""
    return program.data is not None and program.data.source is not None and not program.data.validation


def two_decays(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Weight decay together with an L2 penalty, which both shrink the same weights; each penalty once."""
    reported = set()
    for objective in program.objectives:
        trained = {w.value for w in objective.trained(program.graph.weights)}
        squared = [r for r in objective.regularize if r.decays() and (r.value is None or r.value in trained)]
        decaying = [o for o in objective.optimizers if o.weight_decay and o.span is not None]
        if not squared or not decaying or squared[0].span in reported:
            continue
        reported.add(squared[0].span)
        optimizer, place = decaying[0], squared[0].span or objective.settings.spans["regularize"]
        yield Diagnostic("W0412", f"`{squared[0].name}` and the `weight_decay` of `{optimizer.name}` "
                         "both shrink the weights", (Label(place),
                         Label(optimizer.span, f"weight_decay={optimizer.weight_decay:g}")),
                         help="leave one of them out: `weight_decay=0`, or no "
                              f"`{squared[0].name}`")  # fmt: skip
