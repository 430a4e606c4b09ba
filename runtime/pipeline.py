"""A whole job: from a checked spec and its data to a trained, exported and proved model in a run folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.passes import specialize
from dlc.runtime import lints
from dlc.runtime.artifact.export import ExportResult, export, rehearse
from dlc.runtime.open_rows import open_data
from dlc.runtime.run_folder import MODEL, Run
from dlc.runtime.training.fit import fit
from dlc.runtime.training.history import Figures, Listener
from dlc.runtime.training.pretrained import loaded
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
    """What a job leaves: the run folder with all files, the artifact in it, and what was measured.

    `trained` is none for a spec with nothing to learn; `warnings` are those that only the rows can tell, and
    `notes` say which values are none of the classes of their input, or missing.
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
    """Read the data, learn, export and prove; the model is exported once before it is trained, so that what
    can be known then does not fail afterwards. The run folder is made below `out`, or below `runs`. `warn` is
    told what the rows show to be hardly meant, and `note` how many values are of no class, before training
    begins.

    Raises `CompileError` for data that does not fit, for a loss that turned NaN or infinite (the last
    good weights are then in the run folder), and for an artifact that is not equal to the torch module.
    """
    face.compiled.check_answers()
    dataset = rows_for(face, data)
    program = face.compiled
    begun = loaded(program, face.folder)
    weights = (
        fit(program, dataset.train, draw(program.graph, program.train.seed, begun), begun)
        if dataset
        else face.weights(begun)
    )
    if specialize.trained(program):
        from dlc.runtime.training import device as devices

        devices.choose(device)  # before anything is written
        rehearse(program, weights)
    found = lints.look(program, dataset, weights) if dataset else []
    warn(found)
    notes = outside_of(dataset) if dataset else []
    note(notes)
    run, origin = Run.create(Path(out) if out else RUNS, program.name), origin_of(dataset)
    unpointed = run.unpointed
    warn([unpointed] if unpointed else [])
    trained = None
    with run.explained():
        run.write_spec(program)
        write_origin(run, program, origin)
        if specialize.trained(program):
            from dlc.runtime.training.loop import train as learn

            assert dataset is not None
            trained = learn(program, dataset, weights, on=device, listeners=(run, *listeners))
            weights, origin = trained.weights, replace(origin, figures=figures_of(trained))
            write_figures(run, trained)
        else:
            run.write_weights(weights)
        exported = export(program, weights, run.path(MODEL), **vars(origin))
    if run.unpointed and not unpointed:
        warn([run.unpointed])
    found += [run.unpointed] if run.unpointed else []
    return Result(run.folder, exported, trained, weights, tuple(found), tuple(notes))


def outside_of(dataset: Dataset) -> list[str]:
    """What each part of the rows has of values that are none of the classes of their input, or missing."""
    return [f"{part} rows: {some}" for part, rows in dataset.parts() for some in rows.outside()]


def rows_for(face: Face, data: Any) -> Dataset | None:
    """The rows of the job; none for a spec that learns nothing and has no data."""
    program = face.compiled
    if (
        not specialize.trained(program)
        and data is None
        and (program.data is None or program.data.source is None)
    ):
        return None
    return open_data(face, data)
