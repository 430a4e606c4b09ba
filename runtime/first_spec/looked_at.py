"""Files of a folder whose headers are read before a spec is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dlc.compiler.diagnostics.quoting import printable
from dlc.runtime.data.data_errors import counted
from dlc.runtime.data.files.bad_file import BadFile
from dlc.runtime.first_spec.targets import NoFirstSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

NAMED = 5  # files that a note names


@dataclass
class LookedAt:
    """The folder, what one of its files is, and what is wrong with some of them, by their names."""

    folder: Path
    word: str
    bad: dict[str, str] = field(default_factory=dict)

    def each(
        self, names: Sequence[str], most: int, opened: Callable[[str], AbstractContextManager[Any]]
    ) -> Iterator[tuple[str, Any]]:
        """About `most` of the files, open, with their names. NoFirstSpec if none can be read."""
        read = False
        for name in names[:: -(-len(names) // most)]:
            try:
                with opened(str(self.folder / name)) as file:
                    yield name, file
                    read = True
            except BadFile as error:
                self.bad[name] = error.what
        if not read:
            name, why = next(iter(self.bad.items()))
            message = f"no {self.word} of {self.folder.name} can be read: {printable(name)} {why}"
            raise NoFirstSpec(message, "open one in another program, and save it anew")

    def notes(self) -> Iterator[str]:
        """What stops the training that follows."""
        if not self.bad:
            return
        named = [f"{printable(name)} {why}" for name, why in sorted(self.bad.items())[:NAMED]]
        if len(self.bad) > NAMED:
            named.append(f"{counted(len(self.bad) - NAMED, 'other')} too")
        cannot = f"{counted(len(self.bad), self.word)} cannot be used"
        yield f"{cannot}, and training stops there: {'; '.join(named)}"
