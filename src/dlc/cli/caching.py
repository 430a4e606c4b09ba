"""`dlc cache`: the rows that were encoded because they are past the memory they may take."""

from __future__ import annotations

import time

import click

from dlc.cli.terminal_text import say

UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


@click.command(short_help="List the encoded rows on the disk, or remove them.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--empty", is_flag=True, help="Remove these, by default all.")
def command(names: tuple[str, ...], empty: bool) -> None:
    """Rows that take more memory than they may are encoded once into a cache on the disk, and read from there
    by later runs. List what the cache has, with its size, when it was last used, and its source; or empty
    it. DLC_CACHE names another folder for it."""
    from dlc.cli.command_errors import refuse
    from dlc.runtime.data.store import cache
    from dlc.runtime.memory import format_size

    if empty:
        try:
            removed = cache.empty(names)
        except ValueError as error:
            refuse(str(error), "`dlc cache` lists them")
        size = format_size(sum(store.size for store in removed))
        say(f"removed {len(removed)} of {cache.cache_folder()}: {size}" if removed else "nothing was there")
        return
    if names:
        refuse("names say what to remove", "`dlc cache --empty NAME`")
    found = cache.cached_stores()
    for store in found:
        say(
            f"{store.name}  {format_size(store.size):>8}  {age(time.time() - store.used):>14}  {store.source}"
        )
    total = format_size(sum(store.size for store in found))
    say(f"{total} in {cache.cache_folder()}" if found else f"nothing is in {cache.cache_folder()}")


def age(seconds: float) -> str:
    """`3 hours ago`."""
    for size, unit in UNITS:
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' if number > 1 else ''} ago"
    return "just now"
