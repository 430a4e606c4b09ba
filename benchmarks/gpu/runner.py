"""Runs a part in a process of its own, so that no crash and no hang of it ends the run."""

from __future__ import annotations

import gc
import os
import time
from multiprocessing import get_context
from typing import TYPE_CHECKING

import torch

from benchmarks.gpu.checks import NO_TIME, Row, checks_of, elapsed, row_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from benchmarks.gpu import Part

LOST = "CUDA error"  # after it nothing computes in the process any more
GRACE = 1.0  # seconds for the rows of checks that were not begun
STOPPED = "it was not done when the time of the part was over"


def rows_of(part: Part, device: torch.device, until: float) -> Iterator[Row]:
    """The rows of a part, each as soon as it is there. `until` is the end of its time on the monotonic clock.

    A process that ends early gives a row that says FAIL for the check at hand; another goes on behind it.
    """
    names: list[str] = []
    done = 0
    while not names or done < len(names):
        first, context = done, get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(sender, part, str(device), until, first))
        process.start()
        sender.close()
        began = time.monotonic()
        try:
            for told in messages(receiver, until + GRACE):
                began = time.monotonic()
                if isinstance(told, Row):
                    done += 1
                    yield told
                else:
                    names = told
            late = time.monotonic() >= until + GRACE
        finally:
            end(process)
        why = STOPPED if late else f"the process ended with {process.exitcode}"
        if not names:
            yield Row(part.name, "its start", "FAIL", seconds=elapsed(began), error=why)
            return
        if done < len(names) and (process.exitcode or done == first):
            yield Row(part.name, names[done], "FAIL", seconds=elapsed(began), error=why)
            done += 1
        if late:
            yield from (Row(part.name, name, "not run", error=NO_TIME) for name in names[done:])
            return


def messages(receiver: Connection, until: float) -> Iterator[list[str] | Row]:
    """What a process sends, until it ends or its time is over."""
    try:
        while receiver.poll(max(until - time.monotonic(), 0)):
            yield receiver.recv()
    except EOFError:
        return


def end(process: BaseProcess) -> None:
    """Let a process that is done end by itself, and stop another."""
    process.join(GRACE)
    process.kill()
    process.join()


def work(sender: Connection, part: Part, device: str, until: float, first: int) -> None:
    """Run in the process: send the names of all checks, then the rows from number `first` on. Once the GPU is
    lost it exits at once, and the next check gets a process of its own."""
    on = torch.device(device)
    checks = checks_of(part.module, on)
    gc.freeze()  # what was imported is not looked at after each check
    sender.send([check.what for check in checks])
    for check in checks[first:]:
        row = row_of(part.name, check, on, until)
        sender.send(row)
        if LOST in row.error:
            os._exit(0)
