"""The types of the tensors that a spec loads from files, as JSON in run folders and artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.tensor_files import MAX_SIZE
from dlc.compiler.types import MAX_RANK, Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping


def types_to_json(tensors: Mapping[tuple[str, str], Tensor]) -> list[Any]:
    """Path, name, element and shape of each tensor."""
    return [[*key, type.element, [*type.shape]] for key, type in tensors.items()]


def types_from_json(written: Any) -> dict[tuple[str, str], Tensor]:
    """The types of tensors by path and name. ValueError if they are invalid."""
    found: dict[tuple[str, str], Any] = {}
    try:
        found = {(str(path), str(name)): (element, shape) for path, name, element, shape in written}
        sound = all(element in ("float", "int64", "bool") and len(shape) <= MAX_RANK
                    and all(type(size) is int and 0 < size <= MAX_SIZE for size in shape)
                    for element, shape in found.values())  # fmt: skip
    except (TypeError, ValueError):
        sound = False
    if not sound:
        raise ValueError("these are not types of tensors")
    return {key: Tensor(element, tuple(shape), batched=False) for key, (element, shape) in found.items()}
