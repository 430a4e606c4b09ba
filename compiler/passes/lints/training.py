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
    from dlc.compiler.training.train_section import Train


def unusual_settings(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Numbers outside the usual range of their setting."""
    for definition, span, notes in written(program):
        for setting, usual, of in bounded(definition, program.train):
            value = getattr(definition, setting.name)
            if value == setting.default or not isinstance(value, (int, float)):
                continue
            low, high = usual
            if not low <= value <= high:
                which = f"{spell_value(value)}, {'below' if value < low else 'above'}"
                yield Diagnostic("W0410", f"`{setting.name}` of `{definition.name}` is {which} "
                                 f"the usual range{of}: {low:g} to {high:g}",
                                 (Label(definition.spans.get(setting.name, span)),), notes,
                                 fix(setting))  # fmt: skip


def bounded(definition: Definition, train: Train) -> Iterator[tuple[Setting, tuple[float, float], str]]:
    """The settings with a usual range; the learning rate of a schedule has the range of the optimizer."""
    for setting in definition.settings.values():
        if setting.usual is not None:
            yield setting, setting.usual, ""
    if isinstance(definition, Schedule) and definition.maximum:
        optimizer = main_optimizer(train.optimizer)
        usual = optimizer.settings["lr"].usual
        assert usual is not None
        yield definition.settings[definition.maximum], usual, f" for `{optimizer.name}`"


def fix(setting: Setting) -> str:
    if setting.required:
        return "check the decimal point"
    return f"leave it out for {spell_value(setting.default)}, or check the decimal point"


def written(program: CompiledProgram) -> Iterator[tuple[Definition, Span, tuple[str, ...]]]:
    """Each definition that the spec uses, with its span and the notes about enclosing blocks."""
    for node in program.graph.nodes:
        yield node.operator, node.site.span, node.site.way()
    for average in program.averages.values():
        yield average, average.span, ()
    train = program.train
    if train.span is None:
        return
    yield train, train.span, ()
    for value in train.values().values():
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Definition) and part.span is not None:
                yield part, part.span, ()


def stopping_on_training_rows(program: CompiledProgram) -> Iterator[Diagnostic]:
    stopping = program.train.early_stop
    if stopping is not None and stopping.part == "train" and program.data and not program.data.validation:
        span = program.train.spans["early_stop"]
        yield Diagnostic("W0411", f"`early_stop` watches `{stopping.on}`, and there are no validation rows: "
                         "overfitting improves this figure", (Label(span),),
                         help="write `validation = 0.1` into `data`, and watch "
                              "`validation.loss`")  # fmt: skip


def two_decays(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Weight decay together with an L2 penalty: both shrink the same weights."""
    train, weights = program.train, {w.value for w in program.graph.weights if w.trainable}
    squared = [r for r in train.regularize if r.decays() and (r.value is None or r.value in weights)]
    decaying = [o for o in train.optimizer if o.weight_decay and o.span is not None]
    if squared and decaying:
        optimizer = decaying[0]
        yield Diagnostic("W0412", f"`{squared[0].name}` and the `weight_decay` of `{optimizer.name}` "
                         "both shrink the weights", (Label(squared[0].span or train.spans["regularize"]),
                         Label(optimizer.span, f"weight_decay={optimizer.weight_decay:g}")),
                         help="leave one of them out: `weight_decay=0`, or no "
                              f"`{squared[0].name}`")  # fmt: skip
