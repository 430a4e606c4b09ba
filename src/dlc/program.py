"""The Python face of a compiled spec."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc import compiler
from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.diagnostics.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import onnx
    import torch

    from dlc.compiler.program import CompiledProgram as Compiled
    from dlc.compiler.program import Facts
    from dlc.runtime.pipeline import Result


class Program:
    """A spec, checked. `compiled` is what the compiler knows of it: graph, sections, warnings."""

    def __init__(self, source: Source, folder: Path, params: Mapping[str, Any],
                 facts: Facts | None = None, read: Callable[[Source, str], Source] | None = None,
                 outputs: str | None = None):  # fmt: skip
        self._source, self.folder, self._params, self._outputs = source, folder, dict(params), outputs
        self._read = read or compiler.reader(folder)
        self.compiled: Compiled = self._compile(facts)
        self._fitted: dict[str, np.ndarray] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Where it is unpickled or copied, it is compiled again, from its own text and those that it imports;
        what was fitted goes with it."""
        compiled = self.compiled
        return rebuild, (self._source, self.folder, self._params, compiled.facts, compiled.sources,
                         self._outputs, self._fitted)  # fmt: skip

    def _compile(self, facts: Facts | None) -> Compiled:
        return compiler.compile(
            self._source, params=self._params, facts=facts, read=self._read, outputs=self._outputs
        )

    def learn(self, facts: Facts) -> None:
        """Compile again with what the data told."""
        if facts != self.compiled.facts:
            self.compiled = self._compile(facts)

    def fit(self, data: Any = None) -> Program:
        """Learn from rows what is learnt before training (`standardize`, the classes of `class(auto)`),
        in place of what was learnt before.

        `data` is a dict of arrays by name, rows first, or a frame, with what is learnt from at least; the
        path of a file or folder; or none for the source that the spec names. Gives the program itself.
        """
        from dlc.compiler.lower.initial_weights import draw
        from dlc.compiler.program import Facts
        from dlc.runtime.data.source import Opened
        from dlc.runtime.open_rows import open_data, source_from
        from dlc.runtime.training.fit import fields_to_fit, fit

        self.learn(Facts())
        source = source_from(data)
        fields = fields_to_fit(self.compiled, source.names) if isinstance(source, Opened) else None
        dataset = open_data(self, source, fields)
        learnt = {w.name for w in self.compiled.graph.weights if w.role == "fitted"}
        weights = fit(self.compiled, dataset.train, draw(self.compiled.graph, self.compiled.train.seed))
        self._fitted = {name: array for name, array in weights.items() if name in learnt}
        return self

    def weights(self, given: Mapping[str, Any] | None = None) -> dict[str, np.ndarray]:
        """Weights by name: initial values, what was fitted, and over both the given ones,
        arrays or tensors."""
        from collections.abc import Mapping

        from dlc.compiler.lower.given_weights import accept, weights_of
        from dlc.compiler.lower.initial_weights import check_known, draw

        if not (given is None or isinstance(given, Mapping)):
            kind = type(given).__name__
            raise TypeError(f"weights are a dict of arrays or tensors by their names, not {kind}")
        known, graph = self._fitted | dict(given or {}), self.compiled.graph
        check_known(graph, known)
        wanted = {name: weight for name, weight in weights_of(graph).items() if name in known}
        return draw(graph, self.compiled.train.seed, accept(wanted, known))

    def torch(self, mode: str = "infer", weights: Mapping[str, Any] | None = None) -> torch.nn.Module:
        """The spec as a module from a dict of tensors, batch first,
        to a dict of tensors under the outputs' names.

        `mode` is "infer", or "train" for the form in which dropout drops and norms use the batch. Text
        comes as a list or array of `str`, or as the numbers of its classes. Raises `CompileError` where the
        training rows are waited for, ValueError for another mode.
        """
        from dlc.compiler.lower.torch import Model
        from dlc.compiler.passes import specialize

        if mode not in ("infer", "train"):
            raise ValueError(f'the mode is "infer" or "train", not {mode!r}')
        form = specialize.inference if mode == "infer" else specialize.training_answers
        values = self.weights(weights)
        return Model(form(self.compiled), self.compiled.graph.weights, values)

    def onnx(self, weights: Mapping[str, Any] | None = None) -> onnx.ModelProto:
        """The artifact in memory, with these weights or initial ones.
        `dlc.train` and `dlc export` prove it too."""
        import onnx_ir

        from dlc.runtime.artifact.write import untrained

        return onnx_ir.to_proto(untrained(self.compiled, self.weights(weights)))


def rebuild(source: Source, folder: Path, params: Mapping[str, Any], facts: Facts,
            sources: tuple[Source, ...], outputs: str | None,
            fitted: Mapping[str, np.ndarray]) -> Program:  # fmt: skip
    """A program that was pickled."""
    program = Program(source, folder, params, facts, compiler.among(sources), outputs)
    program._fitted = dict(fitted)
    return program


def compile(
    path: str | Path | None = None, *, text: str | None = None, params: Mapping[str, Any] | None = None
) -> Program:
    """Check the spec at a path, or a text; `CompileError` lists every error.
    `params` are values for its params."""
    from dlc.runtime.python_arguments import params_of, path_of

    if path is not None and text is None:
        place = path_of(path, "the path of a spec")
        if not os.path.exists(place):
            raise FileNotFoundError(no_spec(str(place)))
        return Program(compiler.read_source(place), place.parent, params_of(params))
    if text is not None and path is None:
        if not isinstance(text, str):
            raise TypeError(f"the text of a spec is str, not {type(text).__name__}")
        return Program(Source("text.dl", text), Path(), params_of(params))
    raise ValueError("give either a path or a text")


def no_spec(path: str) -> str:
    """What to say of a path at which there is nothing."""
    if "\n" in path:
        return "the path of a spec has line breaks: the text of a spec is given as `text=`"
    return f"there is no spec at {shorten(path, 200)}; the text of one is given as `text=`"


def train(path: str | Path | None = None, *, text: str | None = None, params: Mapping[str, Any] | None = None,
          data: Any = None, out: str | Path | None = None,
          device: str | None = "auto") -> Result:  # fmt: skip
    """Train a spec, export it and prove the artifact; the result says where everything is and
    what was measured. `data` is read in place of the source that the spec names: a path, a dict of arrays,
    or a frame of pandas, polars or Arrow, whose columns stand for those of a file."""
    from dlc.runtime import pipeline
    from dlc.runtime.python_arguments import path_of

    program = compile(path, text=text, params=params)
    folder = None if out is None else path_of(out, "the folder of runs")
    return pipeline.train(program, data=data, out=folder, device="auto" if device is None else str(device))
