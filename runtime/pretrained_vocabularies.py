"""Vocabularies of the runs of `weights = load(...)`: what they learnt from their rows, beside weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime import vocabulary_json
from dlc.runtime.errors import ArtifactError
from dlc.runtime.loaded_tensors import UNREADABLE
from dlc.runtime.run_folder import INFO, read_json, run_at

if TYPE_CHECKING:
    from pathlib import Path

    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.training.initial_state import Load
    from dlc.compiler.vocabularies import Vocabulary


def vocabularies_of_runs(program: CompiledProgram, folder: Path) -> dict[str, Vocabulary]:
    """The vocabularies that the runs have for the operators of text of a program, by their keys there. The
    last run that has one counts."""
    settings = (program.train, *(phase.settings for phase in program.phases))
    loads = dict.fromkeys(load for section in settings for load in section.weights if load.is_run)
    found: dict[str, Vocabulary] = {}
    for load in loads if program.readers else ():
        found |= of_run(program, load, folder)
    return found


def of_run(program: CompiledProgram, load: Load, folder: Path) -> dict[str, Vocabulary]:
    """The vocabularies of one run. That there is no folder is an error when its weights are loaded; a run
    whose vocabularies cannot be read is one here, because its embeddings are of their words."""
    if not (folder / load.path).exists():
        return {}
    try:
        info = run_at(folder / load.path) / INFO
        if not info.is_file():
            raise ValueError(f"it has no {INFO}")
        known = vocabulary_json.from_json(read_json(info).get("vocabularies", {}))
    except (ArtifactError, ValueError) as error:
        message = f"the vocabularies of {load.path} cannot be read: {error}"
        raise CompileError.of(UNREADABLE, message, load.span) from None
    own, there = (f"{net}." if net else "" for net in (load.into and load.into.net, load.from_))
    found: dict[str, Vocabulary] = {}
    for operator in (node.operator for node in program.readers):
        key = operator.reading.key if operator.reading else ""
        vocabulary = known.get(f"{there}{key.removeprefix(own)}") if key.startswith(own) else None
        if vocabulary is not None and bool(vocabulary.tokenizer) == operator.outside:
            found[key] = vocabulary
    return found
