"""Where training runs."""

from __future__ import annotations

import torch

from dlc.compiler.diagnostics import CompileError, Diagnostic


def choose(wanted: str = "auto") -> torch.device:
    """The device by name; `auto` takes a GPU if there is one."""
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError):
        help = "`--device auto` takes a GPU if there is one, else the CPU"
        raise CompileError(
            [Diagnostic("E0805", f"there is no device `{wanted}` here", (), (), help)]
        ) from None
    return device


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device with memory of its own; none where it shares the machine's."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else None
