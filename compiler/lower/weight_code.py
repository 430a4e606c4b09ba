"""The construction of weights and buffers as Python expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.definitions.constants import nested_list
from dlc.compiler.definitions.initializers import Full, LoadInitial
from dlc.compiler.definitions.tensor_parameter_types import converted
from dlc.compiler.dims.dim import number as static_size
from dlc.compiler.lower.python_code import Code, attribute, call, literal, number, text

if TYPE_CHECKING:
    from dlc.compiler.ir.graph import Weight

CONVERSIONS = {"float": "float", "float64": "double", "int64": "long", "bool": "bool"}


def parameter(weight: Weight) -> Code:
    """A parameter or a buffer. Random initial values are set later."""
    made = written_values(weight) or filled(weight)
    return call(text("nn.Parameter"), made) if weight.trainable else Code("buffer", None, (made,))


def written_values(weight: Weight) -> Code | None:
    """The initial values that a list or a file of the spec gives."""
    initial = weight.initial
    if isinstance(initial, Full) and isinstance(initial.value, tuple):
        return call(text("torch.tensor"), literal(nested_list(converted(initial.value, float))))  # type: ignore[arg-type]
    if not isinstance(initial, LoadInitial):
        return None
    path, name = literal(initial.path), literal(initial.tensor)
    assert path is not None and name is not None
    npz = initial.path.endswith(".npz")
    stored = Code("index", None, (call(text("np.load" if npz else "load_file"), path), name))
    tensor = call(text("torch.from_numpy"), stored) if npz else stored
    return call(attribute(tensor, CONVERSIONS[weight.value.type.element]))


def filled(weight: Weight) -> Code:
    """One value everywhere; memory without values for random ones."""
    value = getattr(weight.initial, "value", None)
    sizes = [number(static_size(size)) for size in weight.value.type.shape] or [text("()")]
    dtype = {"dtype": text("torch.float64")} if weight.value.type.element == "float64" else {}
    if value is not None:
        return call(text("torch.full"), Code("tuple", None, tuple(sizes)), number(value), **dtype)
    fill = {"zeros": "zeros", "ones": "ones"}.get(weight.initial.name, "empty")
    return call(text(f"torch.{fill}"), *sizes, **dtype)
