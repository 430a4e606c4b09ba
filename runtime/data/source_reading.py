"""How a source is read: its fields, and the split of its rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlc.compiler.definitions.sections import PARTS
from dlc.runtime.data import bounds
from dlc.runtime.data.columns.column_match import match
from dlc.runtime.data.files.sizes import size_of_files

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from dlc.compiler.definitions.sections import Data
    from dlc.compiler.types import Classes
    from dlc.compiler.vocabularies import Vocabulary
    from dlc.runtime.data.columns.column_match import Match
    from dlc.runtime.data.requirements import RequiredField
    from dlc.runtime.data.source import Opened


@dataclass(frozen=True)
class SourceReading:
    """How a source is read: the fields, and the split of `data`. With a `part`, all rows are of that part,
    and have the `classes` and `vocabularies` of the training rows."""

    opened: Opened
    data: Data
    wanted: Sequence[RequiredField]
    fields: Container[str] | None
    part: str = ""
    classes: Mapping[str, Classes] = field(default_factory=dict)
    vocabularies: Mapping[str, Vocabulary] = field(default_factory=dict)

    @property
    def chosen(self) -> list[RequiredField]:
        return [w for w in self.wanted if w.is_field and (self.fields is None or w.name in self.fields)]

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.part,) if self.part else PARTS

    @property
    def matches(self) -> list[Match]:
        """The fields, each with its columns."""
        return match(self.opened, self.wanted, self.fields)

    def is_past_memory(self) -> bool:
        """Whether the columns take more memory than they may. `drop` looks at all."""
        matches = match(self.opened, self.wanted, None) if self.data.drop else self.matches
        return self.size(matches) + size_of_files(self.opened, matches) > bounds.memory_limit()

    def size(self, matches: Sequence[Match]) -> int:
        """The bytes that the columns of these fields take, about."""
        return self.opened.size(sorted({index for m in matches for index in m.indices}))
