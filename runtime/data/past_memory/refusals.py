"""Errors for rows that cannot be encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.runtime.data import data_errors
from dlc.runtime.data.sequences.table_series import columns_of
from dlc.runtime.data.store import cache

if TYPE_CHECKING:
    from dlc.runtime.data.source_reading import SourceReading

PAST_MEMORY, NO_CACHE = "E0840", "E0841"
MORE = "allow more memory (`--memory`)"


def refuse_sequences(reading: SourceReading) -> None:
    """Refuse what needs all rows in memory."""
    opened = reading.opened
    settings = opened.sequences
    found = [key for key in ("series", "order", "window") if getattr(settings, key, None) is not None]
    if found or columns_of(opened):
        what = f"`{found[0]}` needs all rows in memory, and {opened.file} is past what it may take"
        place = (settings.spans.get(found[0]) or opened.definition if settings else opened.definition, "")
        raise data_errors.fail(PAST_MEMORY, what, place, help=f"{MORE}, or keep fewer rows")
    for w in reading.chosen:
        if w.declared.element == "string" and w.declared.free_axis is not None:
            past = f"{opened.file} is past what it may take"
            what = f"{w} is a sequence of texts, which needs all rows in memory, and {past}"
            raise data_errors.fail(PAST_MEMORY, what, (w.span, ""), help=f"{MORE}, or declare `class(auto)`")


def no_cache(reading: SourceReading, error: OSError) -> data_errors.CompileError:
    """The error for a cache that cannot be written."""
    folder, why = cache.cache_folder(), (error.strerror or str(error)).lower()
    message = (
        f"{reading.opened.file} is past the memory it may take, and cannot be encoded in {folder}: {why}"
    )
    help = f"name another folder by `{cache.VARIABLE}`, or empty this one: `dlc cache --empty`"
    return data_errors.fail(NO_CACHE, message, (reading.opened.definition, "read here"), help=help)
