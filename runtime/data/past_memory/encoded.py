"""Rows from the cache, which are encoded first unless they are there."""

from __future__ import annotations

import errno
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlc.runtime import memory
from dlc.runtime.data import bounds
from dlc.runtime.data.decode import drawn
from dlc.runtime.data.past_memory.progress import current_watch
from dlc.runtime.data.past_memory.refusals import no_cache, refuse_sequences
from dlc.runtime.data.past_memory.store_key import key_of
from dlc.runtime.data.past_memory.stored_dataset import StoredFacts, stored_parts
from dlc.runtime.data.past_memory.writing import Writing
from dlc.runtime.data.store import cache
from dlc.runtime.data.store.layout import Damaged
from dlc.runtime.data.store.reader import read_header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.runtime.data.past_memory.progress import Watch
    from dlc.runtime.data.past_memory.stored_rows import StoredRows
    from dlc.runtime.data.source_reading import SourceReading


@dataclass(frozen=True)
class Encoded:
    """The rows of a source in a store, by part, and the facts about them."""

    rows: Mapping[str, StoredRows]
    facts: StoredFacts
    notes: tuple[str, ...] = ()


def encoded(reading: SourceReading) -> Encoded:
    """The rows from the cache, encoded first unless they are there. `CompileError` for rows that are invalid,
    and if the cache cannot be written."""
    refuse_sequences(reading)
    opened, key, watch = reading.opened, key_of(reading), current_watch()
    place = cache.place_of(key)
    if found := _opened(reading, key, watch):
        note = f"{opened.file} is past the memory it may take: its rows were encoded before, in {place}"
        return Encoded(found[1], found[0], (note, *opened.notes))
    try:
        _check_disk(reading)
        with cache.new_store(key) as folder, bounds.allowed(None):
            Writing(reading, folder, watch).write(key)
    except OSError as error:
        raise no_cache(reading, error) from None
    found = _opened(reading, key, None)
    if found is None:
        raise no_cache(reading, OSError(errno.EIO, "the rows that were written cannot be read"))
    size = sum(sum(part.sizes.values()) for part in read_header(place).parts.values())
    took = memory.format_size(size)
    note = f"{opened.file} is past the memory it may take: its rows were encoded, {took} in {place}"
    return Encoded(found[1], found[0], (note, *opened.notes))


def _opened(
    reading: SourceReading, key: str, watch: Watch | None
) -> tuple[StoredFacts, dict[str, StoredRows]] | None:
    """The rows of a store, whose bytes are checked if there is a `watch`; None if there is none, or a damaged
    one, which is removed."""
    place = cache.place_of(key)
    if not place.exists():
        return None
    try:
        header = read_header(place)
        if header.key != key or {*header.parts} != {*reading.parts}:
            raise Damaged("it is another store")
        facts, rows, files = stored_parts(place, header, reading.opened, drawn(reading.chosen))
        if watch is not None:
            total, done = sum(sum(part.sizes.values()) for part in header.parts.values()), 0
            for each in files:
                for size in each.check():
                    done += size
                    watch("checking what was encoded", done, total)
        cache.touch(place)
    except Damaged:
        cache.remove(place)
        return None
    return facts, rows


def _check_disk(reading: SourceReading) -> None:
    """OSError if the disk of the cache has hardly room for the rows."""
    folder = cache.cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = reading.size(reading.matches) // 4, shutil.disk_usage(folder).free
    if needed > free:
        what = f"about {memory.format_size(needed)} are needed, and {memory.format_size(free)} are free"
        raise OSError(errno.ENOSPC, what)
