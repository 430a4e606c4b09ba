"""The spec of a run, with the facts about its files that the run found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlc.compiler import name_of, read_source, reading
from dlc.compiler.program import Facts
from dlc.runtime import vocabulary_json
from dlc.runtime.class_labels import classes_from_json
from dlc.runtime.loaded_types import types_from_json
from dlc.runtime.run_folder import INFO, SPEC, is_within, read_json, unreadable
from dlc.runtime.strict_json import is_dict_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from dlc.compiler.diagnostics.source import Source


@dataclass(frozen=True)
class Spec:
    """The spec of a run: the arguments of `dlc.compiler.compile`."""

    source: Source
    params: Mapping[str, Any]
    facts: Facts
    read: Callable[[Source, str], Source]


def read_spec(folder: Path) -> Spec:
    """The spec of a run. Imported files are read from the run folder. `ArtifactError` if it cannot be
    read."""
    info = read_json(folder / INFO)
    name: Any = info.get("name")
    params: Any = info.get("params")
    files: Any = info.get("files")
    classes: Any = info.get("classes")
    tables = is_dict_of(params, object) and is_dict_of(files, str) and is_dict_of(classes, dict)
    if not isinstance(name, str) or not tables:
        raise unreadable(folder, f"{INFO} is not as dlc writes it")
    if not all(map(is_within, files.values())):
        raise unreadable(folder, f"{INFO} names files outside of the folder")
    try:
        found = {n: classes_from_json(c["count"], c["labels"], n) for n, c in classes.items()}
    except (KeyError, ValueError):
        raise unreadable(folder, f"{INFO} has invalid classes") from None
    try:
        tensors = types_from_json(info.get("tensors", []))
        known = vocabulary_json.from_json(info.get("vocabularies", {}))
    except ValueError as error:
        raise unreadable(folder, f"{INFO} is not as dlc writes it: {error}") from None
    facts = Facts(found, tensors, vocabularies=known)
    try:
        source = read_source(folder / SPEC, name)
    except OSError as error:
        raise unreadable(folder, f"{SPEC} {reading.why(error)}") from None
    except ValueError as error:
        raise unreadable(folder, str(error)) from None

    def read(importing: Source, path: str) -> Source:
        name = name_of(importing, path)
        if name not in files:
            raise FileNotFoundError(2, "not among the files of the run", name)
        return read_source(folder / files[name], name)

    return Spec(source, params, facts, read)
