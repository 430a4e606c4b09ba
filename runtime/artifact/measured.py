"""What `dlc eval` measures: the metrics that an artifact records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Definition, Reject
from dlc.compiler.diagnostics.quoting import listed, shorten
from dlc.compiler.training.figures import titles
from dlc.runtime import memory
from dlc.runtime.artifact.metadata import type_from_json
from dlc.runtime.errors import ArtifactError
from dlc.runtime.extras import install_command, lacking_package
from dlc.runtime.training.meter import OutputMetric

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dlc.runtime.artifact.opened import OpenArtifact

COUNT_BYTES = 64  # maximum bytes of a count


def measured_of(artifact: OpenArtifact) -> tuple[list[OutputMetric], list[str]]:
    """The metrics that the artifact records, and notes on those that its answers cannot give. `ArtifactError`
    if there are none, or for an unknown metric."""
    recorded = recorded_metrics(artifact)
    if not recorded:
        raise ArtifactError(nothing_measured(artifact))
    prefixed = [m for m in recorded if m.type.decoded and not m.metric.whole_rows]
    measured = [m for m in recorded if m not in prefixed]
    if not measured:
        raise ArtifactError(nothing_decoded(artifact, prefixed))
    for m in measured:
        if not m.metric.fits(m.type):
            raise ArtifactError(
                f"{artifact.path} measures the {m.metric.name} of `{m.output}`, which is {m.type}"
            )
    counts = sum(m.metric.counts(m.type) for m in measured)
    if COUNT_BYTES * counts > memory.free():
        raise ArtifactError(f"{artifact.path} measures {counts} counts, which takes more memory than is free")
    for m in measured:
        if lacking := lacking_package(m.metric):
            raise ArtifactError(f"{lacking}: {install_command(m.metric.package)}")
    return measured, [f"left out: {needs_prefixes(prefixed)}"] if prefixed else []


def recorded_metrics(artifact: OpenArtifact) -> list[OutputMetric]:
    """All metrics that training measured, of the outputs that the artifact has."""
    outputs, units = artifact.metadata.outputs, artifact.metadata.units
    pairs = [
        (name, metric_of(written))
        for name, metrics in artifact.metadata.metrics.items()
        if name in outputs
        for written in metrics
    ]
    return [
        OutputMetric(title, name, type_from_json(outputs[name]), target, metric, units.get(target, ""))
        for title, (name, metric) in zip(titles(pairs), pairs, strict=True)
        for target in [target_of(artifact, name)]
    ]


def needs_prefixes(measured: Sequence[OutputMetric]) -> str:
    """The metrics that the answers of a model that decodes cannot give."""
    names, outputs = listed([m.name for m in measured]), listed(dict.fromkeys(m.output for m in measured))
    compare = "compare" if len(measured) > 1 else "compares"
    return f"{names} {compare} each step after the right ones, and the model answers {outputs} step by step"


def nothing_decoded(artifact: OpenArtifact, recorded: Sequence[OutputMetric]) -> str:
    """The error message if no metric is of whole answers."""
    what = f"{artifact.path} has no output that can be measured: {needs_prefixes(recorded)}"
    if artifact.metadata.text:
        return what
    return f"{what}; measure whole answers, as with `train {{ metrics = [edit_distance] }}`, and train again"


def nothing_measured(artifact: OpenArtifact) -> str:
    """The error message if the artifact records no metric of its outputs."""
    outputs, metrics = artifact.metadata.outputs, artifact.metadata.metrics
    if left_out := [name for name, of in metrics.items() if of and name not in outputs]:
        return not_among(artifact, left_out)
    return (
        f"{artifact.path} has no output that can be measured: training compared none with a target; "
        "name what to measure in `train { metrics = [...] }`, and train again"
    )


def not_among(artifact: OpenArtifact, measured: Sequence[str]) -> str:
    """The error message if training measured outputs, but none of them was exported."""
    given = [export_name(name, measured) for name in artifact.metadata.outputs]
    names = shorten(", ".join([*measured, *given]), 200)
    what = f"{artifact.path} has no output that can be measured: {listed(measured)}"
    if len(measured) == 1:
        return f'{what} is not among its outputs: export it too: `--outputs "{names}"`'
    return f'{what} are not among its outputs: export them too: `--outputs "{names}"`'


def export_name(name: str, measured: Iterable[str]) -> str:
    """The name of an artifact output in `--outputs`: `y.logits` for `y_logits`."""
    owner = next((o for o in measured if name.startswith(f"{o}_")), None)
    return f"{owner}.{name.removeprefix(f'{owner}_')}" if owner else name


def metric_of(written: dict[str, Any]) -> Any:
    import dlc.compiler.training  # noqa: F401  defines the metrics

    known = Definition.families["metric"]
    settings = dict(written)
    name = settings.pop("name", None)
    try:
        definition = known[name]
        return definition(**{key: definition.settings[key].kind.accept(v) for key, v in settings.items()})
    except (KeyError, TypeError, Reject):
        raise ArtifactError(f"this version of dlc does not know the metric {shorten(written, 80)}") from None


def target_of(artifact: OpenArtifact, output: str) -> str:
    target = artifact.metadata.outputs[output].get("target")
    if not isinstance(target, str):
        raise ArtifactError(f"{artifact.path} does not say which target `{output}` is compared with")
    return target
