"""The params and settings of a program as texts: for logs, lists of runs and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import spell_value
from dlc.compiler.differences.values import spelled
from dlc.compiler.training.train_section import EPOCHS

if TYPE_CHECKING:
    from dlc.compiler.program import CompiledProgram

ALWAYS = ("optimizer", "schedule", "batch", "seed")
LEFT_OUT = ("loss", "metrics", "sample", "keep")


def settings_of(program: CompiledProgram) -> dict[str, str]:
    """Params, and the settings of `train`, of its phases and steps, and of `data` that are not at their
    defaults, by names such as `train.batch`. The usual ones of `train` are always there."""
    train = program.train
    found = {name: spell_value(value) for name, value in program.params.items()}
    found |= {f"train.{name}": text for name, text in written(train, ALWAYS).items()}
    if train.epochs is None and train.steps is None and not train.phases:
        found["train.epochs"] = str(EPOCHS)
    for phase in train.phases:
        found |= {f"train.{phase.phase}.{name}": text for name, text in written(phase, phase.spans).items()}
    for phase in program.phases:
        path = f"train.{phase.name}" if phase.name else "train"
        shared = written(phase.settings, ())
        for objective in (o for o in phase.objectives if o.step):
            own = written(objective.settings, ()).items()
            found |= {f"{path}.{objective.step}.{n}": text for n, text in own if text != shared.get(n)}
    return found | {f"data.{name}": text for name, text in written(program.data, ()).items()}


def setting_of(program: CompiledProgram, name: str) -> str:
    """A setting by its name, as `train.keep` or `train.PHASE.STEP.clip`, also at its default; empty if there
    is none of this name."""
    sections: dict[str, Any] = {"train": program.train, "data": program.data, "export": program.export}
    for phase in program.phases:
        path = f"train.{phase.name}" if phase.name else "train"
        sections.setdefault(path, phase.settings)
        sections |= {f"{path}.{o.step}": o.settings for o in phase.objectives if o.step}
    path, _, key = name.rpartition(".")
    section = sections.get(path)
    if section is None or key not in section.settings:
        return ""
    value = section.values()[key]
    return section.settings[key].shown or "none" if value is None else spelled(value)


def written(section: Any, always: Any) -> dict[str, str]:
    """The settings of a section that are not at their defaults, and those that are `always` told."""
    if section is None:
        return {}
    values = {n: v for n, v in section.values().items() if n not in LEFT_OUT}
    return {n: spelled(v) for n, v in values.items() if n in always or v != section.settings[n].default}
