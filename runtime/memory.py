"""Free memory, which limits what is read from untrusted files. Uses only the standard library."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress

from dlc.compiler import reading

UNKNOWN = 4 << 30  # bytes that are assumed to be free if the system does not report it
MAX_FILE = 1 << 20  # bytes of a file of the system
GROUPS = "/sys/fs/cgroup"
# Names in both versions of control groups: the limit, the usage, and the reclaimable part of the usage.
NAMES = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)\s*([kmgt]?)b?", re.ASCII | re.IGNORECASE)


def free() -> int:
    """Bytes that this process can still allocate, as far as the system reports it."""
    known = [*_of_machine(), *_of_groups(), *_of_process()]
    return max(min(known, default=UNKNOWN), 0)


def share(given: str | int | None = None) -> int:
    """Bytes that rows may take: as given, such as `4G` or `500MB`, by default half of what is free.
    ValueError if it is not a size."""
    if given is None:
        return free() // 2
    if isinstance(given, int) and not isinstance(given, bool) and given > 0:
        return given
    found = SIZE.fullmatch(given.strip()) if isinstance(given, str) else None
    size = int(float(found[1]) * UNITS[found[2].lower()]) if found else 0
    if not size:
        raise ValueError(f"{given!r} is not an amount of memory, such as 500M or 4G")
    return size


def peak() -> int:
    """The most bytes that this process had in memory so far; 0 if the system does not report it."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most << 10


def format_size(size: float) -> str:
    """`3.2 GB`."""
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"


def _of_machine() -> list[int]:
    table = _table("/proc/meminfo")
    if "MemAvailable" in table:
        return [table["MemAvailable"] << 10]
    with suppress(AttributeError, ValueError, OSError):  # other systems: half of the physical memory
        return [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2]
    return []


def _of_groups() -> list[int]:
    """Bytes left in the control groups of the process, for example of a container."""
    left = []
    for own in {
        "",
        *(line.split(":", 2)[-1].rstrip("/") for line in _text("/proc/self/cgroup").splitlines()),
    }:
        for folder, limit, used, cache in NAMES:
            place = f"{GROUPS}{folder}{own}"
            most, taken = _text(f"{place}/{limit}").strip(), _text(f"{place}/{used}").strip()
            if most.isdecimal() and taken.isdecimal():
                left.append(int(most) - int(taken) + _table(f"{place}/memory.stat").get(cache, 0))
    return left


def _of_process() -> list[int]:
    """Bytes left under the limit of the address space."""
    try:
        import resource
    except ImportError:  # Windows
        return []
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _text("/proc/self/statm").split()
    if most == resource.RLIM_INFINITY or not pages:
        return []
    return [most - int(pages[0]) * resource.getpagesize()]


def _text(path: str) -> str:
    try:
        return reading.read_text(path, MAX_FILE)
    except (OSError, UnicodeDecodeError):
        return ""


def _table(path: str) -> dict[str, int]:
    """A table of numbers by name, one per line."""
    words = (line.replace(":", " ").split() for line in _text(path).splitlines())
    return {w[0]: int(w[1]) for w in words if len(w) > 1 and w[1].isdecimal()}
