"""The training pipeline: from a checked spec and its data to a trained, exported and verified model."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dlc.compiler.diagnostics.render import to_json
from dlc.compiler.lower.initial_weights import draw, with_average_nets
from dlc.compiler.passes import specialize
from dlc.runtime import lints
from dlc.runtime.artifact.export import ExportResult, dry_run, export
from dlc.runtime.data import bounds
from dlc.runtime.data.past_memory.progress import watched
from dlc.runtime.loaded_tensors import tensors_of
from dlc.runtime.logs import logs
from dlc.runtime.open_rows import rows_of_run, unknown_value_notes
from dlc.runtime.pretrained import loaded
from dlc.runtime.run_facts import run_facts
from dlc.runtime.run_folder import MODEL
from dlc.runtime.run_writer import Run
from dlc.runtime.training.fit import fit
from dlc.runtime.training.history import Figures, Listener
from dlc.runtime.weights_origin import figures_of, origin_of, write_figures, write_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import torch

    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.compiler.program import CompiledProgram
    from dlc.runtime.data import Dataset
    from dlc.runtime.data.past_memory.progress import Watch
    from dlc.runtime.diagnosis import Finding
    from dlc.runtime.logs.log import EpochLog
    from dlc.runtime.open_rows import Face
    from dlc.runtime.resuming import Resumed
    from dlc.runtime.training.history import Trained

RUNS = Path("runs")


@dataclass(frozen=True)
class Result:
    """The result of a run: its folder with all files, the artifact in it, and the figures.

    `trained` is None for a spec without trainable weights. `warnings` are the warnings that depend on the
    rows; `notes` count the rows that are left out, and the input values that are missing or not one of their
    classes. `logs` says where each log was written.
    """

    folder: Path
    exported: ExportResult
    trained: Trained | None
    weights: Mapping[str, np.ndarray] = field(repr=False)
    warnings: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()

    @property
    def model(self) -> Path:
        return self.exported.path

    @cached_property
    def diagnosis(self) -> list[Finding]:
        """What its records say about it, causes first; one finding of the kind `healthy` if nothing is wrong,
        and none without a training."""
        from dlc.runtime.diagnosis import diagnose
        from dlc.runtime.run_record import read_record

        return diagnose(read_record(self.folder))

    @property
    def figures(self) -> Mapping[str, Figures]:
        """Loss and metrics of each part of the data: `figures["test"]["accuracy"]`."""
        return self.trained.figures if self.trained else {}


def train(face: Face, *, data: Any = None, out: str | Path | None = None, device: str = "auto",
          memory: int | None = None, watch: Watch | None = None,
          listeners: Sequence[Listener] = (), log: Sequence[str] = (), resumed: Resumed | None = None,
          warn: Callable[[Sequence[Diagnostic]], None] = lambda found: None,
          note: Callable[[Sequence[str]], None] = lambda found: None) -> Result:  # fmt: skip
    """Read the data, train, export and verify. The model is also exported before training, so that export
    errors come early. The run folder is created below `out`, by default `runs`; a run that is `resumed` has
    one. Rows that take more than `memory` bytes, by default half of what is free, are encoded in the
    cache, and `watch` is told how much of that is done. `warn` gets the warnings that depend on the rows, and
    `note` the counts of values that are missing or not one of their classes, and how fast bf16 is; both are
    called before training begins. `log` names logs for other tools, as `--log` does; `note` gets a sentence
    if one of them fails while it trains.

    Raises `CompileError` for invalid data, for a spec or data that are not those of the resumed run, for a
    loss that is NaN or infinite (the last good weights are then in the run folder), and for an artifact whose
    outputs differ from those of the torch module.
    """
    began = time.process_time()
    face.compiled.check_answers()
    logs.check(log)
    if resumed is not None:
        resumed.check_spec(face.compiled)
        device, memory = resumed.device(device), resumed.memory(memory)
    with bounds.allowed(memory), watched(watch):
        dataset = rows_of_run(face, data)
    if resumed is not None:
        resumed.check_data(dataset)
    program = face.compiled  # with the classes that the rows have
    start = starting_weights(face, dataset)
    chosen = _device(program, device)
    if chosen is not None:
        dry_run(program, start.weights)
    found = lints.run_lints(program, dataset, start.weights) if dataset else []
    notes = _notes(program, dataset, chosen, resumed)
    warn(found)
    note(notes)
    run = resumed.run if resumed else Run.create(Path(out) if out else RUNS, program.name)
    latest_warning = run.latest_warning
    warn([latest_warning] if latest_warning else [])
    with run.alone(), run.with_notes():
        trained, weights, origin = None, start.weights, origin_of(dataset, start.tensors)
        opened: list[EpochLog] = []
        run.write_spec(program)
        write_origin(run, program, origin)
        run.write_how(
            **run_facts(face, data, dataset, str(chosen or "cpu")),
            resumed=resumed.resumed if resumed else [],
            warnings=[to_json(d) for d in found],
        )
        if chosen is not None:
            from dlc.runtime.training.keeper import Keeper
            from dlc.runtime.training.loop import train as learn

            assert dataset is not None
            opened = logs.open_logs(log, run.folder, lambda text: note([text]))
            state = resumed.state if resumed else None
            heard = (run, *opened, *listeners)
            trained = learn(program, dataset, weights, start.of_phases, on=device, listeners=heard,
                            keeper=Keeper(run.folder, note), state=state, began=began)  # fmt: skip
            weights, origin = trained.weights, replace(origin, figures=figures_of(trained))
            write_figures(run, trained)
        else:
            run.write_weights(weights)
        exported = export(program, weights, run.path(MODEL), **vars(origin))
    if run.latest_warning and not latest_warning:
        warn([run.latest_warning])
    found += [run.latest_warning] if run.latest_warning else []
    places = tuple(of.told for of in opened)
    return Result(run.folder, exported, trained, weights, tuple(found), tuple(notes), places)


def _device(program: CompiledProgram, wanted: str) -> torch.device | None:
    """The device on which the program trains, None if it has nothing to train."""
    if not specialize.trained(program):
        return None
    from dlc.runtime.training import device as devices

    return devices.choose(wanted)


def _notes(
    program: CompiledProgram, dataset: Dataset | None, device: torch.device | None, resumed: Resumed | None
) -> list[str]:
    """What a resumed run does otherwise, the counts of missing and unknown values, and how fast bf16 is."""
    notes = [*(resumed.notes() if resumed else ())]
    notes += [*dataset.notes, *unknown_value_notes(dataset)] if dataset else []
    if device is not None:
        from dlc.runtime.training import bfloat16

        precisions = dict.fromkeys(phase.settings.precision for phase in program.phases)
        notes += filter(None, [bfloat16.note(device, precision) for precision in precisions])
    return notes


class StartingWeights(NamedTuple):
    """The weights with which a training begins, those that each phase loads, and the tensors that the spec
    loads."""

    weights: Mapping[str, np.ndarray]
    of_phases: Sequence[Mapping[str, np.ndarray]]
    tensors: Mapping[str, np.ndarray]


def starting_weights(face: Face, dataset: Dataset | None) -> StartingWeights:
    """Initial values, replaced by what is loaded and by what is fitted to the training rows."""
    program = face.compiled
    begun = loaded(program, program.train.weights, face.folder)
    own = (
        loaded(program, phase.settings.weights if phase.name else (), face.folder) for phase in program.phases
    )
    of_phases = [with_average_nets(program.graph, weights) for weights in own]
    tensors = tensors_of(program, face.folder, begun)
    if dataset is None:
        return StartingWeights(face.weights(begun), of_phases, tensors)
    drawn = draw(program.graph, program.train.seed, tensors | begun)
    return StartingWeights(fit(program, dataset.train, drawn, begun), of_phases, tensors)
