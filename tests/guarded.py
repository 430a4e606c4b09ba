"""Run commands in a subprocess with limits on time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

ADDRESSES = 20 << 30  # limit of the address space in bytes, so that an archive bomb cannot exhaust memory
FREE = 1 << 30  # free memory that the process sees, in bytes
RESIDENT = 3 << 29  # maximum of the resident memory, in bytes
SECONDS = 100  # time limit, far above the usual time
MARK = "\n--- the next command ---\n"

# VmHWM is the peak of this process alone. `getrusage` includes the peak of the parent process.
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
    """The exit code and the output of a command."""

    code: int
    stdout: str
    stderr: str


def run(*commands: tuple[object, ...]) -> list[Ended]:
    """Run all commands in one process with limited memory. A traceback is a failure."""
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
    """The output of each command, which has to reject its file with exit code 1."""
    ended = run(*commands)
    assert [e.code for e in ended] == [1] * len(commands), ended
    return [e.stdout + e.stderr for e in ended]
