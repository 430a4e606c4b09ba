"""The device of a training, and its number of CPU threads."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.ir.graph import Graph
    from dlc.compiler.training.train_section import Train

SMALL = 4_000_000  # multiply-adds of a step's forward pass that are sooner done than shared out


def choose(wanted: str = "auto") -> torch.device:
    """The torch device by name; `auto` selects a GPU if there is one."""
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError):
        help = "`--device auto` takes a GPU if there is one, else the CPU"
        raise CompileError.of("E0805", f"there is no device `{wanted}` here", help=help) from None
    return device


def check_precision(device: torch.device, train: Train) -> None:
    """Refuse a precision that the device does not support."""
    lacking = train.precision == "float64" and device.type == "mps"
    lacking |= train.precision == "bf16" and not torch.amp.is_autocast_available(device.type)
    if lacking:
        message = f"`{device.type}` does not compute in {train.precision}"
        raise CompileError.of("E0809", message, train.spans.get("precision"),
                              help="`--device cpu` computes in all of them")  # fmt: skip


def check_elements(device: torch.device, *graphs: Graph) -> None:
    """Refuse graphs with float64 values on a device that does not support it."""
    if device.type != "mps":
        return
    for node in (node for graph in graphs for node in graph.nodes):
        if any(value.type.element == "float64" for value in (*node.operands, *node.results)):
            message = f"`{device.type}` does not compute in float64, as `{node.name}` does to keep its digits"
            raise CompileError([Diagnostic.at(node.site, "E0809", message, "`--device cpu` computes in it")])


def free_memory(device: torch.device) -> int | None:
    """Free bytes on a device with its own memory; None if it shares the memory of the host."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None


@contextmanager
def threads_for(work: int, device: torch.device) -> Iterator[None]:
    """Use one CPU thread for steps so small that waking other threads takes longer, especially on a busy
    machine; else the threads of torch. `work` is the multiply-adds of a step."""
    before = torch.get_num_threads()
    if device.type != "cpu" or work > SMALL:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
