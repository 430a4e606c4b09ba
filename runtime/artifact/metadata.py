"""What an artifact says of itself: JSON texts under the names below, in the metadata of the ONNX file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from dlc.compiler.types import Classes, Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.program import Program

PREFIX = "dlc."
FORMAT = 1


@dataclass
class Metadata:
    """`spec` is the text of the file, `imports` that of others by name; types are as declared."""

    name: str
    spec: str
    imports: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: dict[str, list[dict[str, Any]]] = field(
        default_factory=dict
    )  # what `dlc eval` measures, by output
    figures: dict[str, Any] = field(default_factory=dict)  # what training measured
    fingerprint: str = ""  # of the data
    versions: dict[str, str] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    proof: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT

    def texts(self) -> dict[str, str]:
        """As metadata of an ONNX file."""
        return {
            PREFIX + key: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            for key, value in asdict(self).items()
        }


def from_texts(texts: Mapping[str, str]) -> Metadata:
    """From the metadata of an ONNX file. ValueError if it was not written by dlc."""
    found = {key.removeprefix(PREFIX): text for key, text in texts.items() if key.startswith(PREFIX)}
    if "spec" not in found:
        raise ValueError("it holds no spec: dlc did not write it")
    values: dict[str, Any] = {}
    for key in Metadata.__dataclass_fields__:
        if key in found:
            values[key] = found[key] if key in ("name", "spec", "fingerprint") else json.loads(found[key])
    if values.get("format") != FORMAT:
        raise ValueError(f"it is of format {values.get('format')}, this version of dlc reads format {FORMAT}")
    return Metadata(**values)


def type_to_json(type: Tensor) -> dict[str, Any]:
    classes = type.classes
    return {
        "element": type.element,
        "shape": [s if isinstance(s, int) else str(s) for s in type.shape],
        "classes": None if classes is None or type.element != "class" else int(classes.count),  # type: ignore[arg-type]
        "names": None if classes is None or classes.names is None else list(classes.names),
    }


def type_from_json(written: Mapping[str, Any]) -> Tensor:
    from dlc.compiler.dims import free

    shape = tuple(s if isinstance(s, int) else free(s) for s in written["shape"])
    names = tuple(written["names"]) if written["names"] else None
    count = written["classes"] or (2 if written["element"] == "binary" else None)
    return Tensor(written["element"], shape, Classes(count, names) if count else None)


def describe(program: Program, spec: str) -> Metadata:
    """What is known of a program before it was trained."""
    exported = {name for name, _ in program.exports}
    metrics: dict[str, list[dict[str, Any]]] = {}
    for output, metric in program.metrics:
        metrics.setdefault(output, []).append({"name": metric.name, **metric.values()})
    return Metadata(
        name=program.name,
        spec=spec,
        imports={s.name: s.text for s in program.sources[1:] if s.name != "std"},
        params=dict(program.params),
        inputs={i.name: type_to_json(i.declared) for i in program.inputs},
        outputs={
            o.name: {**type_to_json(o.declared), "target": o.target}
            for o in program.outputs
            if o.name in exported
        },
        metrics=metrics,
        versions=versions(),
    )


@cache
def versions() -> dict[str, str]:
    """Of what an artifact depends on, as far as it is here."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("dlc", "torch", "onnx-ir", "numpy", "onnxruntime-gpu", "onnxruntime"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
