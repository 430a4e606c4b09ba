"""How much memory is free, which bounds what is read from a stranger's file. Standard library alone."""

from __future__ import annotations

import os
from contextlib import suppress

from dlc.compiler import reading

UNKNOWN = 4 << 30  # bytes; counts as free where the system does not tell
MOST = 1 << 20  # bytes of a file in which the system tells
GROUPS = "/sys/fs/cgroup"
# How both versions of control groups name the limit, what is used, and what of that can be had back.
NAMES = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free() -> int:
    """Bytes that this process can still take, as far as the system tells."""
    known = [*_of_machine(), *_of_groups(), *_of_process()]
    return max(min(known, default=UNKNOWN), 0)


def spell(size: float) -> str:
    """`3.2 GB`."""
    units = ["bytes", "kB", "MB", "GB", "TB"]
    while size >= 999.5 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"


def _of_machine() -> list[int]:
    table = _table("/proc/meminfo")
    if "MemAvailable" in table:
        return [table["MemAvailable"] << 10]
    with suppress(AttributeError, ValueError, OSError):  # another system: half of what is built in
        return [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2]
    return []


def _of_groups() -> list[int]:
    """What the control groups of the process, such as those of a container, leave."""
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
    """What a limit on its address space leaves."""
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
        return reading.read_text(path, MOST)
    except (OSError, UnicodeDecodeError):
        return ""


def _table(path: str) -> dict[str, int]:
    """Numbers by name, a line each."""
    words = (line.replace(":", " ").split() for line in _text(path).splitlines())
    return {w[0]: int(w[1]) for w in words if len(w) > 1 and w[1].isdecimal()}
