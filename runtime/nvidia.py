"""The NVIDIA GPUs that the driver lists, without torch or ONNX Runtime."""

from __future__ import annotations

import ctypes
import sys

MAX_NAME = 256  # bytes


def gpus() -> list[str]:
    """The names of the GPUs that the driver lists; empty if there is no driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return []
    count = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return []
    return [name(driver, number) for number in range(count.value)]


def name(driver: ctypes.CDLL, number: int) -> str:
    text = ctypes.create_string_buffer(MAX_NAME)
    driver.cuDeviceGetName(text, MAX_NAME, number)
    return text.value.decode("utf-8", "replace")
