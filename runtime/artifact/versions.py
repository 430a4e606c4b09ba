"""The installed packages that an artifact depends on."""

from __future__ import annotations

from functools import cache


@cache
def versions() -> dict[str, str]:
    """The versions of the installed packages that an artifact depends on."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("dlc", "torch", "onnx-ir", "numpy", "onnxruntime-gpu", "onnxruntime"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
