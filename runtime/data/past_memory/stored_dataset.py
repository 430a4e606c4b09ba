"""What a store knows about its rows beside their values, as JSON, and its rows as those of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from dlc.compiler.passes.lengths import length_name
from dlc.runtime import vocabulary_json
from dlc.runtime.class_labels import classes_from_json
from dlc.runtime.data.columns.float32_precision import PrecisionLoss
from dlc.runtime.data.columns.unknown_classes import UnknownValues
from dlc.runtime.data.past_memory.stored_rows import StoredRows
from dlc.runtime.data.store.layout import Damaged
from dlc.runtime.data.store.reader import StoredFiles
from dlc.runtime.strict_json import all_are, is_dict_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dlc.compiler.definitions.sections import Field
    from dlc.compiler.types import Classes
    from dlc.compiler.vocabularies import Vocabulary
    from dlc.runtime.data.source import Opened
    from dlc.runtime.data.store.layout import Header


@dataclass(frozen=True)
class StoredFacts:
    """Facts about all rows of a store: the classes that were found, the vocabularies that were learnt, the
    free dimensions along which rows differ in length, notes that count what was left out, and the names of
    the columns and the unit of each field. `sized` are the fields whose rows have lengths."""

    classes: Mapping[str, Classes] = field(default_factory=dict)
    vocabularies: Mapping[str, Vocabulary] = field(default_factory=dict)
    lengths: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    sized: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        classes = {owner: {"count": of.count, "labels": of.labels} for owner, of in self.classes.items()}
        return {
            "classes": classes, "vocabularies": vocabulary_json.to_json(self.vocabularies),
            "lengths": sorted(self.lengths), "notes": self.notes, "columns": dict(self.columns),
            "units": dict(self.units), "sized": self.sized,
        }  # fmt: skip

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> StoredFacts:
        """ValueError, LookupError, TypeError or AttributeError if they are invalid."""
        lists = [written[key] for key in ("lengths", "notes", "sized")] + [*written["columns"].values()]
        if not all(isinstance(of, list) and all_are(str, of) for of in lists):
            raise ValueError("these are no facts")
        if not is_dict_of(written["units"], str):
            raise ValueError("these are no units")
        classes = {owner: classes_from_json(of["count"], of["labels"], owner)
                   for owner, of in written["classes"].items()}  # fmt: skip
        known = vocabulary_json.from_json(written["vocabularies"])
        columns = {name: tuple(of) for name, of in written["columns"].items()}
        lengths, notes, sized = lists[:3]
        return cls(classes, known, frozenset(lengths), tuple(notes), columns, written["units"], tuple(sized))


def part_facts(
    unknown: Sequence[UnknownValues], losses: Mapping[str, Sequence[PrecisionLoss]]
) -> dict[str, Any]:
    """Facts about the values of one part as JSON."""
    return {
        "unknown": [asdict(some) for some in unknown],
        "losses": {name: [asdict(loss) for loss in of] for name, of in losses.items()},
    }


def stored_parts(
    folder: Path, header: Header, origin: Opened, drawn: Mapping[str, Field]
) -> tuple[StoredFacts, dict[str, StoredRows], list[StoredFiles]]:
    """The facts of a store and its rows, by part; parts without rows are left out. `Damaged` if they are not
    as the header says."""
    rows, every = {}, []
    try:
        facts = StoredFacts.from_json(header.facts)
        for name, part in header.parts.items():
            files = StoredFiles(folder, name, part, header.fields)
            every.append(files)
            unknown = [
                UnknownValues(**some | {"examples": tuple(some["examples"])})
                for some in part.facts["unknown"]
            ]
            losses = {
                name: tuple(PrecisionLoss(**loss) for loss in of) for name, of in part.facts["losses"].items()
            }
            sized = {field: length_name(field) for field in facts.sized}
            if part.count:
                rows[name] = StoredRows(
                    files, origin, sized, drawn=drawn, unknown=unknown, precision_losses=losses
                )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Damaged(str(error)) from None
    return facts, rows, every
