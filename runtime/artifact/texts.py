"""Answers as texts: a sequence of classes that was learnt from texts is one text a row. What a model decodes
is answered without the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.compiler.training.class_texts import joined

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dlc.runtime.artifact.opened import OpenArtifact


def as_texts(artifact: OpenArtifact, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers; each sequence of classes whose target was cut from texts as an array of texts, and any
    other that was decoded as a list of arrays, each without the end."""
    made, units = dict(answers), text_outputs(artifact)
    for name, type in artifact.outputs.items():
        if name in units:
            made[name] = texts_of(answers[name], units[name], type.classes.filler if type.classes else None)
        elif type.decoded and type.classes and type.classes.end:
            made[name] = [row[row != type.classes.filler] for row in answers[name]]
    return made


def text_outputs(artifact: OpenArtifact) -> dict[str, str]:
    """The unit of each output that is answered as a text."""
    targets = {name: str(type.get("target")) for name, type in artifact.metadata.outputs.items()}
    units = artifact.metadata.units
    return {name: units[target] for name, target in targets.items()
            if target in units and artifact.outputs[name].takes_text}  # fmt: skip


def texts_of(rows: Iterable[Any], unit: str, padding: Any) -> np.ndarray:
    """The text of each row, without the padding at its end."""
    texts = (joined((v for v in np.asarray(row).tolist() if v != padding), unit) for row in rows)
    return np.fromiter(texts, object)
