"""Readers of files in several processes. The results have the order of the files, whatever their number.

A worker is a new Python process that imports only the readers. It gets lines of JSON with names of files, and
answers each with a line of JSON and the bytes of the arrays. Nothing is pickled, and the main module of the
caller is not imported again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import deque
from dataclasses import asdict
from itertools import cycle, islice
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np

from dlc.runtime.data.files.bad_file import BadFile
from dlc.runtime.data.files.pictures import MaskReader, PictureReader
from dlc.runtime.data.files.recordings import RecordingReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Files = tuple[str, ...]  # the file of a row, and those that it is compared with
    Found = np.ndarray | BadFile

READERS = {reader.__name__: reader for reader in (PictureReader, MaskReader, RecordingReader)}
MAX_PROCESSES = 8
ALONE = 1.5  # seconds of reading that one process does: starting others takes about half a second
MEASURED = 0.3  # seconds after which the rest is estimated
CHUNK, CHUNK_BYTES = 16, 1 << 14  # files, and bytes of their names, of one request; a pipe holds two
AHEAD = 2  # requests that each worker has
# The package around the readers is not run: its imports would take longer than those of the readers.
PACKAGE = "dlc.runtime.data"
START = f"""
import json, sys, types
sys.path[:], folders = json.loads(sys.argv[1])
package = sys.modules["{PACKAGE}"] = types.ModuleType("{PACKAGE}")
package.__path__ = folders
from {PACKAGE}.files import workers
workers.serve()
"""


class FileReader(Protocol):
    """Reads one file, or raises `BadFile`. A dataclass whose fields JSON holds, in `READERS`. `beside` are
    files that it is compared with."""

    def read(self, path: str, *beside: str) -> np.ndarray: ...


class WorkerEnded(Exception):
    """A worker ended while it read some of these files."""

    def __init__(self, files: Sequence[str], status: int | None) -> None:
        super().__init__(files)
        self.files, self.status = files, status


def read_all(reader: FileReader, files: Sequence[Files], workers: int | None = None) -> Iterator[Found]:
    """The array or the error of each file, in order. `workers` is the number of processes; by default one
    process begins, and as many as there are cores, at most `MAX_PROCESSES`, read what would take it long."""
    if workers is None:
        begun, start = 0, time.monotonic()
        for begun, some in enumerate(files, 1):
            yield read_one(reader, some)
            spent = time.monotonic() - start
            if spent > MEASURED and spent / begun * (len(files) - begun) > ALONE:
                break
        files, workers = files[begun:], cores()
    if workers < 2 or len(files) < 2:
        yield from (read_one(reader, some) for some in files)
    else:
        yield from read_by(reader, files, workers)


def cores() -> int:
    """The processor cores that this process may use, at most `MAX_PROCESSES`."""
    available = getattr(os, "sched_getaffinity", None)
    return min(len(available(0)) if available else os.cpu_count() or 1, MAX_PROCESSES)


def read_one(reader: FileReader, files: Files) -> Found:
    try:
        return reader.read(*files)
    except BadFile as bad:
        return bad


# --- the caller -------------------------------------------------------------------------------------------


def read_by(reader: FileReader, files: Sequence[Files], workers: int) -> Iterator[Found]:
    """The results of several processes, which take turns. `WorkerEnded` if one of them ends early."""
    requests = list(chunks(files))
    running = [start(reader) for _ in range(min(workers, len(requests)))]
    try:
        turns: deque[tuple[Any, list[Files]]] = deque()
        given = zip(requests, cycle(running), strict=False)
        for request, worker in islice(given, AHEAD * len(running)):
            send(worker, request)
            turns.append((worker, request))
        while turns:
            worker, request = turns.popleft()
            found = receive(worker, request)
            for request, worker in islice(given, 1):
                send(worker, request)
                turns.append((worker, request))
            yield from found
    finally:
        for worker in running:
            worker.kill()
        for worker in running:
            worker.communicate()


def chunks(files: Iterable[Files]) -> Iterator[list[Files]]:
    """The requests: a few files each, whose names fit in a pipe."""
    chunk: list[Files] = []
    size = 0
    for some in files:
        length = len(json.dumps(some)) + 2
        if chunk and (len(chunk) == CHUNK or size + length > CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(some)
        size += length
    if chunk:
        yield chunk


def start(reader: FileReader) -> subprocess.Popen[bytes]:
    """A worker that reads by this reader."""
    known = json.dumps([sys.path, list(sys.modules[PACKAGE].__path__)])
    apart = 0 if os.name == "posix" else None  # from the Ctrl-C of the caller
    worker = subprocess.Popen([sys.executable, "-c", START, known], process_group=apart,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    send(worker, [type(reader).__name__, asdict(reader)])  # type: ignore[call-overload]
    return worker


def send(worker: subprocess.Popen[bytes], request: Any) -> None:
    assert worker.stdin is not None
    try:
        worker.stdin.write(json.dumps(request).encode() + b"\n")
        worker.stdin.flush()
    except OSError:  # it has ended: reading its answer says so
        pass


def receive(worker: subprocess.Popen[bytes], request: Sequence[Files]) -> list[Found]:
    """The answer to a request."""
    stream, found = worker.stdout, []
    assert stream is not None
    line = stream.readline()
    for about in json.loads(line) if line.endswith(b"\n") else [None]:
        if isinstance(about, dict):
            found.append(BadFile(**about))
            continue
        dtype, shape = about or ("u1", [1])
        array = np.empty(shape, dtype)
        if about is None or stream.readinto(memoryview(array.reshape(-1)).cast("B")) < array.nbytes:  # type: ignore[attr-defined]
            raise WorkerEnded([some[0] for some in request], worker.wait())
        found.append(array)
    return found


# --- the worker -------------------------------------------------------------------------------------------


def serve() -> None:
    """Answer the requests on standard input until it ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    name, settings = json.loads(requests.readline())
    reader = READERS[name](**settings)
    for line in requests:
        answer([read_one(reader, tuple(some)) for some in json.loads(line)], answers)


def answer(found: Sequence[Found], stream: IO[bytes]) -> None:
    about = [vars(some) if isinstance(some, BadFile) else (some.dtype.str, some.shape) for some in found]
    stream.write(json.dumps(about).encode() + b"\n")
    for some in found:
        if isinstance(some, np.ndarray):
            stream.write(np.ascontiguousarray(some).reshape(-1).view(np.uint8).data)
    stream.flush()
