"""`load(path, name)`: the type of a tensor of a file, which is read when the spec is checked."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from dlc.compiler import reading
from dlc.compiler.diagnostics.quoting import listed, shorten
from dlc.compiler.diagnostics.source import name_of
from dlc.compiler.diagnostics.suggest import nearest

if TYPE_CHECKING:
    from dlc.compiler.definitions.initializers import LoadInitial
    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.types import Tensor

UNREADABLE = "E0808"


def found(ev: Evaluator, load: LoadInitial) -> LoadInitial:
    """The load with the type of its tensor. A path in an imported file is relative to that file; it becomes
    relative to the spec."""
    path = name_of(ev.scope.file.source, load.path)
    tensors = ev.state.tensors
    if (path, load.tensor) not in tensors:
        tensors[path, load.tensor] = read(ev, load, path)
    return load.knowing(path=path, type=tensors[path, load.tensor])


def read(ev: Evaluator, load: LoadInitial, path: str) -> Tensor:
    from dlc.compiler.tensor_files import FORMATS, NoFile, NoTensor

    span = load.spans["path"]
    if not path.endswith(FORMATS):
        message = f'expected the path of an npz or safetensors file, found "{shorten(path, 60)}"'
        raise ev.fail("E0403", span, message,
                      help="`numpy.savez` writes the first format, `safetensors.torch.save_file` the "
                           "second")  # fmt: skip
    try:
        return ev.state.type_in(path, load.tensor)
    except NoTensor as error:
        help = in_quotes(load.tensor, error.names) or f"it holds {listed(error.names)}"
        message = f'{path} holds no tensor "{shorten(load.tensor, 60)}"'
        raise ev.fail(UNREADABLE, load.spans["tensor"], message, help=help) from None
    except OSError as error:
        folder, file = posixpath.split(load.path)
        near = in_quotes(file, error.names, folder) if isinstance(error, NoFile) else ""
        raise ev.fail(UNREADABLE, span, f"{path} {reading.why(error)}",
                      help=near or "paths are relative to the spec") from None  # fmt: skip
    except ValueError as error:
        raise ev.fail(UNREADABLE, span, f"{path} cannot be read: {error}") from None


def in_quotes(name: str, names: list[str], folder: str = "") -> str:
    """The fix with the nearest name; empty if there is none."""
    near = nearest(name, names)
    return f'write `"{posixpath.join(folder, near)}"`' if near else ""
