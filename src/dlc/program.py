"""The Python face of a compiled spec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlc import compiler
from dlc.compiler.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import onnx
    import torch

    from dlc.compiler.program import Facts
    from dlc.compiler.program import Program as Compiled
    from dlc.runtime.job import Result


class Program:
    """A spec, checked. `compiled` is what the compiler knows of it: graph, sections, warnings."""

    def __init__(self, source: Source, folder: Path, params: Mapping[str, Any], facts: Facts | None = None,
                 read: Callable[[Source, str], Source] | None = None):  # fmt: skip
        self._source, self.folder, self._params = source, folder, dict(params)
        self._read = read or compiler.reader(folder)
        self.compiled: Compiled = self._compile(facts)
        self._fitted: dict[str, np.ndarray] = {}

    def _compile(self, facts: Facts | None) -> Compiled:
        return compiler.compile(self._source, params=self._params, facts=facts, read=self._read)

    def learn(self, facts: Facts) -> None:
        """Compile again with what the data told."""
        if facts != self.compiled.facts:
            self.compiled = self._compile(facts)

    def fit(self, data: Mapping[str, Any] | str | Path | None = None) -> Program:
        """Learn from rows what is learnt before training (`standardize`, the classes of `class(auto)`),
        in place of what was learnt before.

        `data` is a dict of arrays by name, rows first, with what is learnt from at least; the path of a
        file or folder; or none for the source that the spec names. Gives the program itself.
        """
        from collections.abc import Mapping

        from dlc.compiler.lower.weights import draw
        from dlc.compiler.program import Facts
        from dlc.runtime.fit import fields_to_fit, fit
        from dlc.runtime.opening import open_data

        self.learn(Facts())
        fields = fields_to_fit(self.compiled, data) if isinstance(data, Mapping) else None
        dataset = open_data(self, data, fields)
        learnt = {w.name for w in self.compiled.graph.weights if w.role == "learnt"}
        weights = fit(self.compiled, dataset.train, draw(self.compiled.graph, self.compiled.train.seed))
        self._fitted = {name: array for name, array in weights.items() if name in learnt}
        return self

    def weights(self, given: Mapping[str, Any] | None = None) -> dict[str, np.ndarray]:
        """Weights by name: initial values, what was fitted, and over both the given ones,
        arrays or tensors."""
        from dlc.compiler.lower.weights import arrays, check_given, check_known, draw

        known = self._fitted | arrays(self.compiled.graph, given or {})
        check_known(self.compiled.graph, known)
        values = draw(self.compiled.graph, self.compiled.train.seed, known) | known
        check_given(self.compiled.graph, values)
        return values

    def torch(self, mode: str = "infer", weights: Mapping[str, Any] | None = None) -> torch.nn.Module:
        """The spec as a module from a dict of tensors, batch first,
        to a dict of tensors under the outputs' names.

        `mode` is "infer", or "train" for the form in which dropout drops and norms use the batch. Text
        comes as a list or array of `str`, or as the numbers of its classes. Raises `CompileError` where the
        training rows are waited for, ValueError for another mode.
        """
        from dlc.compiler.lower.torch import Model
        from dlc.compiler.passes import forms

        if mode not in ("infer", "train"):
            raise ValueError(f'the mode is "infer" or "train", not {mode!r}')
        form = forms.inference if mode == "infer" else forms.training_answers
        values = self.weights(weights)
        return Model(form(self.compiled), self.compiled.graph.weights, values)

    def onnx(self, weights: Mapping[str, Any] | None = None) -> onnx.ModelProto:
        """The artifact in memory, with these weights or initial ones.
        `dlc.train` and `dlc export` prove it too."""
        import onnx_ir

        from dlc.runtime.artifact.write import untrained

        return onnx_ir.to_proto(untrained(self.compiled, self.weights(weights)))


def compile(
    path: str | Path | None = None, *, text: str | None = None, params: Mapping[str, Any] | None = None
) -> Program:
    """Check the spec at a path, or a text; `CompileError` lists every mistake.
    `params` are values for its params."""
    if path is not None and text is None:
        return Program(compiler.read_source(path), Path(path).parent, params or {})
    if text is not None and path is None:
        return Program(Source("text.dl", text), Path(), params or {})
    raise ValueError("give either a path or a text")


def train(path: str | Path | None = None, *, text: str | None = None, params: Mapping[str, Any] | None = None,
          data: Mapping[str, Any] | str | Path | None = None, out: str | Path | None = None,
          device: str = "auto") -> Result:  # fmt: skip
    """Train a spec, export it and prove the artifact; the result says where everything is and
    what was measured. `data` is read in place of the source that the spec names:
    a path, or a dict of arrays."""
    from dlc.runtime import job

    program = compile(path, text=text, params=params)
    return job.train(program, data=data, out=out, device=device)
