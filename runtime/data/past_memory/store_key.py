"""The key of a store: what decides about the values in it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from dlc.runtime.data.files.sizes import identities_of_files
from dlc.runtime.data.store.layout import VERSION

if TYPE_CHECKING:
    from dlc.runtime.data.requirements import RequiredField
    from dlc.runtime.data.source_reading import SourceReading


def key_of(reading: SourceReading) -> str:
    """SHA-256 of the files of the source and of all that decides about the values of the store."""
    data, opened = reading.data, reading.opened
    settings = {key: spelled(getattr(data, key)) for key in ("stratify", "seed", "split")}
    settings |= {part: spelled(getattr(data, part)) for part in ("validation", "test")}
    chosen = [w.name for w in reading.chosen]
    found = {
        "version": VERSION, "source": spelled(opened.definition), "files": opened.identity(),
        "files of rows": identities_of_files(opened, reading.matches), "part": reading.part,
        "fields": [described(w) for w in reading.wanted if data.drop or w.name in chosen or not w.is_field],
        "chosen": chosen, "settings": {} if reading.part else settings,
        "classes": {name: repr(of) for name, of in reading.classes.items()},
        "vocabularies": {name: repr(of) for name, of in reading.vocabularies.items()},
        "drop": spelled(data.drop),
    }  # fmt: skip
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def spelled(value: Any) -> Any:
    """A value of a spec as text."""
    if hasattr(value, "values") and hasattr(value, "settings"):
        return [type(value).__name__, {key: spelled(of) for key, of in value.values().items()}]
    return repr(value)


def described(wanted: RequiredField) -> list[Any]:
    """What decides how a field is decoded, whether or not its classes are known already."""
    declared, classes = wanted.declared, wanted.declared.classes
    known = classes and (classes.found_in or [str(classes.count), repr(classes.labels)])
    readers = [
        [node.operator.name, repr(node.operator.values()), repr(node.operator.reading)]
        for node in wanted.readers
    ]
    return [
        wanted.name, wanted.role, spelled(wanted.source), wanted.unit, declared.element, repr(declared.shape),
        known, wanted.has_end, declared.missing, repr(declared.ignore), readers,
    ]  # fmt: skip
