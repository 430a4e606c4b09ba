"""The Python interface of a compiled spec."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from dlc import compiler
from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.diagnostics.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import onnx
    import torch

    from dlc.compiler.program import CompiledProgram as Compiled
    from dlc.compiler.program import Facts
    from dlc.runtime.pipeline import Result
    from dlc.runtime.run_record import RunRecord
    from dlc.runtime.seeds import SeedResults
    from dlc.runtime.training.history import Listener


class Program:
    """A checked spec. `compiled` has the results of the compiler: graph, sections, warnings."""

    def __init__(self, source: Source, folder: Path, params: Mapping[str, Any],
                 facts: Facts | None = None, read: Callable[[Source, str], Source] | None = None,
                 outputs: str | None = None):  # fmt: skip
        self._source, self.folder, self._params, self._outputs = source, folder, dict(params), outputs
        self._read = read or compiler.reader(folder)
        self.compiled: Compiled = self._compile(facts)
        self._fitted: dict[str, np.ndarray] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the texts of the spec and its imports, and the fitted values. Unpickling compiles again."""
        compiled = self.compiled
        return rebuild, (self._source, self.folder, self._params, compiled.facts, compiled.sources,
                         self._outputs, self._fitted)  # fmt: skip

    def _compile(self, facts: Facts | None) -> Compiled:
        return compiler.compile(
            self._source, params=self._params, facts=facts, read=self._read,
            type_in=compiler.tensor_reader(self.folder), outputs=self._outputs,
            tokenizer_in=compiler.tokenizer_reader(self.folder),
        )  # fmt: skip

    def learn(self, facts: Facts) -> None:
        """Compile again with facts from the data, such as classes."""
        facts = replace(facts, tensors=self.compiled.facts.tensors)
        if facts != self.compiled.facts:
            self.compiled = self._compile(facts)

    def with_later_seed(self, later: int) -> Program:
        """The program with the seed of `train`, and of each phase with a seed of its own, `later` places on.
        The split of the rows stays. With 0, it is the program itself."""
        if later == 0:
            return self
        train = self.compiled.train
        seeds = {"train.seed": train.seed + later}
        own = [phase for phase in train.phases if phase.own("seed")]
        seeds |= {f"train.{phase.phase}.seed": phase.seed + later for phase in own}
        return Program(self._source, self.folder, self._params | seeds, self.compiled.facts, self._read,
                       self._outputs)  # fmt: skip

    def fit(self, data: Any = None) -> Program:
        """Fit `standardize` and the other fitted operators, and the classes of `class(auto)`, to rows.
        Replaces what was fitted before.

        `data` is a dict of arrays by name, with the rows as first axis, or a frame; it needs only the fields
        that are fitted to. It may also be the path of a file or folder, or None for the source of the spec.
        Returns the program itself.
        """
        from dlc.compiler.lower.initial_weights import draw
        from dlc.compiler.program import Facts
        from dlc.runtime.data.source import Opened
        from dlc.runtime.loaded_tensors import tensors_of
        from dlc.runtime.open_rows import open_data, source_from
        from dlc.runtime.training.fit import fields_to_fit, fit

        self.learn(Facts())
        source = source_from(data)
        fields = fields_to_fit(self.compiled, source.names) if isinstance(source, Opened) else None
        dataset = open_data(self, source, fields)
        fitted = {w.name for w in self.compiled.graph.weights if w.role == "fitted"}
        program = self.compiled
        drawn = draw(program.graph, program.train.seed, tensors_of(program, self.folder))
        weights = fit(program, dataset.train, drawn)
        self._fitted = {name: array for name, array in weights.items() if name in fitted}
        return self

    def weights(self, given: Mapping[str, Any] | None = None) -> dict[str, np.ndarray]:
        """Weights by name: initial values, replaced by fitted values and by the given arrays or tensors."""
        from collections.abc import Mapping

        from dlc.compiler.lower.given_weights import accept, weights_of
        from dlc.compiler.lower.initial_weights import check_known, draw
        from dlc.runtime.loaded_tensors import tensors_of

        if not (given is None or isinstance(given, Mapping)):
            kind = type(given).__name__
            raise TypeError(f"weights are a dict of arrays or tensors by their names, not {kind}")
        known, graph = self._fitted | dict(given or {}), self.compiled.graph
        check_known(graph, known)
        wanted = {name: weight for name, weight in weights_of(graph).items() if name in known}
        accepted = accept(wanted, known)
        loaded = tensors_of(self.compiled, self.folder, accepted)
        return draw(graph, self.compiled.train.seed, loaded | accepted)

    def torch(self, mode: str = "infer", weights: Mapping[str, Any] | None = None) -> torch.nn.Module:
        """The spec as a module. It maps a dict of tensors, batch first, to a dict of tensors by output name.

        `mode` is "infer" or "train"; in the training form, dropout is active and norms use batch statistics.
        Text inputs are lists or arrays of `str`, or class indices. Raises `CompileError` if `fit` has to be
        called first, and ValueError for another mode.
        """
        from dlc.compiler.lower.torch import Model
        from dlc.compiler.passes import specialize

        if mode not in ("infer", "train"):
            raise ValueError(f'the mode is "infer" or "train", not {mode!r}')
        form = specialize.inference if mode == "infer" else specialize.training_answers
        values = self.weights(weights)
        return Model(form(self.compiled), self.compiled.graph.weights, values)

    def onnx(self, weights: Mapping[str, Any] | None = None) -> onnx.ModelProto:
        """The artifact in memory, with these weights or initial ones. It is not compared with torch;
        `dlc.train` and `dlc export` do that."""
        import onnx_ir

        from dlc.runtime.artifact.write import untrained

        return onnx_ir.to_proto(untrained(self.compiled, self.weights(weights)))


def rebuild(source: Source, folder: Path, params: Mapping[str, Any], facts: Facts,
            sources: tuple[Source, ...], outputs: str | None,
            fitted: Mapping[str, np.ndarray]) -> Program:  # fmt: skip
    """Unpickle a program."""
    program = Program(source, folder, params, facts, compiler.among(sources), outputs)
    program._fitted = dict(fitted)
    return program


def compile(
    path: str | Path | None = None, *, text: str | None = None, params: Mapping[str, Any] | None = None
) -> Program:
    """Check the spec at a path, or a text. `params` are values of its params and, by names such as
    `train.epochs`, of settings; a `str` for a setting is an expression. `CompileError` has all errors."""
    from dlc.runtime.python_arguments import params_of, path_of

    if path is not None and text is None:
        file = path_of(path, "the path of a spec")
        if not os.path.exists(file):
            raise FileNotFoundError(no_spec(str(file)))
        return Program(compiler.read_source(file), file.parent, params_of(params))
    if text is not None and path is None:
        if not isinstance(text, str):
            raise TypeError(f"the text of a spec is str, not {type(text).__name__}")
        return Program(Source("text.dl", text), Path(), params_of(params))
    raise ValueError("give either a path or a text")


def no_spec(path: str) -> str:
    """The error message for a path that does not exist."""
    if "\n" in path:
        return "the path of a spec has line breaks: the text of a spec is given as `text=`"
    return f"there is no spec at {shorten(path, 200)}; the text of one is given as `text=`"


def resumed_program(
    record: RunRecord, path: str | Path | None = None, params: Mapping[str, Any] | None = None
) -> Program:
    """The program of a run that is resumed: of the spec that the run has, or of the one at `path`, with the
    params and settings of the run and those that are given."""
    from dlc.runtime.run_spec import read_spec

    values = {**record.params, **(params or {})}
    if path is not None:
        return compile(path, params=values)
    spec = read_spec(record.folder)
    return Program(spec.source, record.spec_folder, values, None, spec.read)


@overload
def train(path: str | Path | None = None, *, text: str | None = None, params: Mapping[str, Any] | None = None,
          data: Any = None, out: str | Path | None = None, device: str | None = "auto",
          memory: str | int | None = None, listeners: Sequence[Listener] = (),
          log: str | Sequence[str] = (), resume: str | Path | None = None,
          seeds: None = None) -> Result: ...  # fmt: skip
@overload
def train(path: str | Path | None = None, *, text: str | None = None, params: Mapping[str, Any] | None = None,
          data: Any = None, out: str | Path | None = None, device: str | None = "auto",
          memory: str | int | None = None, listeners: Sequence[Listener] = (),
          log: str | Sequence[str] = (), resume: None = None, seeds: int) -> SeedResults: ...  # fmt: skip
def train(path: str | Path | None = None, *, text: str | None = None, params: Mapping[str, Any] | None = None,
          data: Any = None, out: str | Path | None = None, device: str | None = "auto",
          memory: str | int | None = None, listeners: Sequence[Listener] = (),
          log: str | Sequence[str] = (), resume: str | Path | None = None,
          seeds: int | None = None) -> Result | SeedResults:  # fmt: skip
    """Train a spec, export it, and check the artifact. The result has the paths and the metrics.

    `data` replaces the source of the spec: a path, a dict of arrays, or a frame of pandas, polars or Arrow
    with the same columns as a file. `memory` is how much of it the rows may take, as `4G`, half of what is
    free by default: more rows are encoded once into a cache on the disk, and read from there. `listeners` are
    told about the training while it runs. `log` names logs for other tools: `tensorboard`, `mlflow` or a path
    that ends in `.csv`; a list for several. `resume` is a run folder: the run goes on from the last state
    that it kept, in the same folder; its spec is not needed.

    With `seeds=5` it trains five times, with the seed of `train` and those after it, each in a run folder.
    The rows and their split are the same, and the listeners are told about each training. The result has the
    runs by seed, and the mean and the standard deviation of each figure: `result.mean["test"]["accuracy"]`.
    """
    from dlc.runtime import pipeline
    from dlc.runtime import seeds as several
    from dlc.runtime.logs.logs import check_name
    from dlc.runtime.memory import share
    from dlc.runtime.python_arguments import listeners_of, path_of, seeds_of

    count, resumed = seeds_of(seeds), None
    if resume is not None:
        from dlc.runtime.resuming import resumed_at

        if text is not None or out is not None or count is not None:
            raise ValueError("a resumed run has its spec, seed and folder: give no `text`, `out` or `seeds`")
        resumed = resumed_at(path_of(resume, "the run"))
        program = resumed_program(resumed.record, path, params)
        data = resumed.data if data is None else data
    else:
        program = compile(path, text=text, params=params)
    settings = {
        "data": data,
        "out": None if out is None else path_of(out, "the folder of runs"),
        "device": "auto" if device is None else str(device),
        "memory": None if memory is None else share(memory),
        "listeners": listeners_of(listeners),
        "log": [*map(check_name, [log] if isinstance(log, str) else log)],
    }
    if count is not None:
        return several.train(program, count, **settings)
    return pipeline.train(program, resumed=resumed, **settings)
