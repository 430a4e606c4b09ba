"""Commands in a process of their own, which can neither wait for ever nor take much memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

ADDRESSES = 20 << 30  # bytes of addresses that the process may take, lest a bomb takes the machine
FREE = 1 << 30  # bytes of memory that it believes to be free
RESIDENT = 3 << 29  # bytes that it takes at most, with itself
SECONDS = 100  # far more than it takes; a bomb would not be done in a day
MARK = "\n--- the next command ---\n"

# The peak is that of this process alone: what `getrusage` tells begins with that of its parent.
CHILD = f"""
import json, re, resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({ADDRESSES}, {ADDRESSES}))
from dlc.cli import commands
from dlc.runtime import memory
memory.free = lambda: {FREE}
codes = []
for arguments in json.loads(sys.argv[1]):
    try:
        commands(arguments)
    except SystemExit as end:
        codes.append(end.code)
    for stream in (sys.stdout, sys.stderr):
        print({MARK!r}, end="", file=stream, flush=True)
with open("/proc/self/status") as status:
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read())[1])
print(json.dumps([codes, peak]))
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    stdout: str
    stderr: str


def run(*commands: tuple[object, ...]) -> list[Ended]:
    """All commands in one process, in little memory; a traceback is a failure."""
    arguments = json.dumps([[str(a) for a in command] for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", CHILD, arguments],
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    *stdout, last = done.stdout.split(MARK)
    *stderr, _ = done.stderr.split(MARK)
    codes, peak = json.loads(last)
    assert peak << 10 < RESIDENT
    return [Ended(*ended) for ended in zip(codes, stdout, stderr, strict=True)]


def refused(*commands: tuple[object, ...]) -> list[str]:
    """What each command says of a file that it refuses."""
    ended = run(*commands)
    assert [e.code for e in ended] == [1] * len(commands), ended
    return [e.stdout + e.stderr for e in ended]
