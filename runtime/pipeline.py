"""The training pipeline: from a checked spec and its data to a trained, exported and verified model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.initial_weights import draw, with_average_nets
from dlc.compiler.passes import specialize
from dlc.compiler.program import Facts
from dlc.runtime import lints
from dlc.runtime.artifact.export import ExportResult, dry_run, export
from dlc.runtime.extras import check_packages
from dlc.runtime.loaded_tensors import tensors_of
from dlc.runtime.open_rows import open_data
from dlc.runtime.pretrained import loaded
from dlc.runtime.pretrained_vocabularies import vocabularies_of_runs
from dlc.runtime.run_folder import MODEL, Run
from dlc.runtime.training.fit import fit
from dlc.runtime.training.history import Figures, Listener
from dlc.runtime.weights_origin import figures_of, origin_of, write_figures, write_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from dlc.compiler.diagnostics.diagnostic import Diagnostic
    from dlc.runtime.data import Dataset
    from dlc.runtime.open_rows import Face
    from dlc.runtime.training.history import Trained

RUNS = Path("runs")


@dataclass(frozen=True)
class Result:
    """The result of a run: its folder with all files, the artifact in it, and the figures.

    `trained` is None for a spec without trainable weights. `warnings` are the warnings that depend on the
    rows; `notes` count the rows that are left out, and the input values that are missing or not one of their
    classes.
    """

    folder: Path
    exported: ExportResult
    trained: Trained | None
    weights: Mapping[str, np.ndarray] = field(repr=False)
    warnings: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def model(self) -> Path:
        return self.exported.path

    @property
    def figures(self) -> Mapping[str, Figures]:
        """Loss and metrics of each part of the data: `figures["test"]["accuracy"]`."""
        return self.trained.figures if self.trained else {}


def train(face: Face, *, data: Any = None, out: str | Path | None = None, device: str = "auto",
          listeners: Sequence[Listener] = (),
          warn: Callable[[Sequence[Diagnostic]], None] = lambda found: None,
          note: Callable[[Sequence[str]], None] = lambda found: None) -> Result:  # fmt: skip
    """Read the data, train, export and verify. The model is also exported before training, so that export
    errors come early. The run folder is created below `out`, by default `runs`. `warn` gets the warnings that
    depend on the rows, and `note` the counts of values that are missing or not one of their classes, and how
    fast bf16 is; both are called before training begins.

    Raises `CompileError` for invalid data, for a loss that is NaN or infinite (the last good weights are then
    in the run folder), and for an artifact whose outputs differ from those of the torch module.
    """
    face.compiled.check_answers()
    check_packages(face.compiled)
    if known := vocabularies_of_runs(face.compiled, face.folder):
        face.learn(Facts(vocabularies=known))
    dataset = rows_for(face, data)
    program = face.compiled
    begun = loaded(program, program.train.weights, face.folder)
    own = (
        loaded(program, phase.settings.weights if phase.name else (), face.folder) for phase in program.phases
    )
    later = [with_average_nets(program.graph, weights) for weights in own]
    tensors = tensors_of(program, face.folder, begun)
    weights = (
        fit(program, dataset.train, draw(program.graph, program.train.seed, tensors | begun), begun)
        if dataset
        else face.weights(begun)
    )
    notes = [*dataset.notes, *unknown_value_notes(dataset)] if dataset else []
    if specialize.trained(program):
        from dlc.runtime.training import bfloat16
        from dlc.runtime.training import device as devices

        chosen = devices.choose(device)  # before anything is written
        dry_run(program, weights)
        precisions = dict.fromkeys(phase.settings.precision for phase in program.phases)
        notes += filter(None, [bfloat16.note(chosen, precision) for precision in precisions])
    found = lints.run_lints(program, dataset, weights) if dataset else []
    warn(found)
    note(notes)
    run, origin = Run.create(Path(out) if out else RUNS, program.name), origin_of(dataset, tensors)
    latest_warning = run.latest_warning
    warn([latest_warning] if latest_warning else [])
    trained = None
    with run.with_notes():
        run.write_spec(program)
        write_origin(run, program, origin)
        if specialize.trained(program):
            from dlc.runtime.training.loop import train as learn

            assert dataset is not None
            trained = learn(program, dataset, weights, later, on=device, listeners=(run, *listeners))
            weights, origin = trained.weights, replace(origin, figures=figures_of(trained))
            write_figures(run, trained)
        else:
            run.write_weights(weights)
        exported = export(program, weights, run.path(MODEL), **vars(origin))
    if run.latest_warning and not latest_warning:
        warn([run.latest_warning])
    found += [run.latest_warning] if run.latest_warning else []
    return Result(run.folder, exported, trained, weights, tuple(found), tuple(notes))


def unknown_value_notes(dataset: Dataset) -> list[str]:
    """Counts of input values that are missing or not one of their classes, for each part of the split."""
    return [f"{part} rows: {some}" for part, rows in dataset.parts() for some in rows.unknown_values()]


def rows_for(face: Face, data: Any) -> Dataset | None:
    """The rows of the run; None for a spec without trainable weights and without data."""
    program = face.compiled
    if (
        not specialize.trained(program)
        and data is None
        and (program.data is None or program.data.source is None)
    ):
        return None
    return open_data(face, data)
