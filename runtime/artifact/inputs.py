"""What a caller gives, lists or arrays, as the arrays that an artifact takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from dlc.runtime.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.types import Tensor

TEXT = "tensor(string)"
DTYPES = {
    "tensor(float)": np.float32, "tensor(double)": np.float64,
    "tensor(float16)": np.float16, "tensor(bfloat16)": ml_dtypes.bfloat16,
    "tensor(int64)": np.int64, "tensor(int32)": np.int32,
    "tensor(int16)": np.int16, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}  # fmt: skip


def arrays(
    types: Mapping[str, Tensor], wanted: Sequence[Any], given: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """An array for each input, of its element and shape. `ArtifactError` says what does not fit."""
    unknown = next((name for name in given if name not in types), None)
    if unknown is not None:
        raise ArtifactError(f"the model has no input `{unknown}`: it takes {', '.join(types)}")
    missing = next((name for name in types if name not in given), None)
    if missing is not None:
        raise ArtifactError(f"the input `{missing}` is missing: the model takes {', '.join(types)}")
    made = {w.name: array(w, types[w.name], given[w.name]) for w in wanted}
    check_sizes(wanted, made)
    return made


def array(wanted: Any, type: Tensor, given: Any) -> np.ndarray:
    try:
        found = np.asarray(given)
    except (ValueError, TypeError, RuntimeError):
        raise ArtifactError(f"`{wanted.name}` takes {type}, and its rows are not all of one shape") from None
    if found.ndim != len(wanted.shape):
        raise misshapen(wanted, found)
    if wanted.type == TEXT:
        return texts(wanted.name, type, found)
    found = numbers(wanted.name, type, found, np.dtype(DTYPES[wanted.type]))
    if type.classes is not None and type.element == "class":
        outside = found[(found < 0) | (found >= type.classes.count)]
        if outside.size:
            known = f"it has {type.classes.count}, from 0 on"
            raise ArtifactError(f"`{wanted.name}` has no class {outside[0]}: {known}")
    return found


def misshapen(wanted: Any, found: np.ndarray) -> ArtifactError:
    shape = ", ".join(map(str, wanted.shape))
    return ArtifactError(
        f"`{wanted.name}` takes [{shape}], found {list(found.shape)}; the batch is the first axis"
    )


def numbers(name: str, type: Tensor, found: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The values in another element, if it has them; floats may lose digits."""
    if type.missing and found.dtype.kind == "O":
        found = np.array([np.nan if value is None else value for value in found.ravel()]).reshape(found.shape)
    if found.dtype == dtype:
        return found
    if found.dtype == ml_dtypes.bfloat16:
        found = found.astype(np.float32)
    if found.dtype.kind not in "fiub" and found.size:
        kind = "text" if found.dtype.kind in "US" else found.dtype
        raise ArtifactError(f"`{name}` takes {type}, found {kind}")
    with np.errstate(all="ignore"):
        cast = found.astype(dtype)
        lost = cast != found if dtype.kind in "iub" else np.isinf(cast.astype(np.float64)) & ~np.isinf(found)
    if np.any(lost):
        raise ArtifactError(f"`{name}` takes {type}, and {found[lost][0]} is no {dtype}")
    return cast


def texts(name: str, type: Tensor, found: np.ndarray) -> np.ndarray:
    """Text as objects; for classes their names, and whole numbers as names that are written so."""
    values = [spelled(name, type, value) for value in found.astype(object).ravel()]
    names = type.classes.names if type.classes else None
    unknown = next((v for v in values if v not in names), None) if names else None
    if unknown is not None and names:
        known = ", ".join((*names[:10], "...") if len(names) > 10 else names)
        raise ArtifactError(f"`{name}` has no class `{unknown}`; its classes are {known}")
    return np.array(values, dtype=object).reshape(found.shape)


def spelled(name: str, type: Tensor, value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    kind = "the names of its classes" if type.classes else str(type)
    raise ArtifactError(f"`{name}` takes {kind} as text, found {value!r}")


def check_sizes(wanted: Sequence[Any], made: Mapping[str, np.ndarray]) -> None:
    """A dimension of one name has one size in all inputs."""
    known: dict[str, tuple[int, str]] = {}
    for w in wanted:
        for size, found in zip(w.shape, made[w.name].shape, strict=True):
            if isinstance(size, int) and size != found:
                raise misshapen(w, made[w.name])
            other, owner = known.setdefault(size, (found, w.name)) if isinstance(size, str) else (found, "")
            if other != found:
                raise ArtifactError(f"`{size}` is {other} in `{owner}` and {found} in `{w.name}`")
