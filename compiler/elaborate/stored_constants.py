"""`load(path, name)`: the type of a tensor of a file, which is read when the spec is checked."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from dlc.compiler import reading
from dlc.compiler.diagnostics.quoting import listed, shorten
from dlc.compiler.diagnostics.suggest import did_you_mean

if TYPE_CHECKING:
    from dlc.compiler.definitions.initializers import LoadInitial
    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.types import Tensor

UNREADABLE = "E0808"


def found(ev: Evaluator, load: LoadInitial) -> LoadInitial:
    """The load with the path relative to the spec, and the type of its tensor."""
    path = relative_to_spec(ev, load.path)
    tensors = ev.state.tensors
    if (path, load.tensor) not in tensors:
        tensors[path, load.tensor] = read(ev, load, path)
    return load.knowing(path=path, type=tensors[path, load.tensor])


def relative_to_spec(ev: Evaluator, path: str) -> str:
    """A path of an imported file, which is relative to that file, relative to the spec."""
    main, here = (posixpath.dirname(s.name) for s in (ev.state.sources[0], ev.scope.file.source))
    if posixpath.isabs(path):
        return path
    return posixpath.relpath(posixpath.join(here, path), main or ".")


def read(ev: Evaluator, load: LoadInitial, path: str) -> Tensor:
    from dlc.compiler.tensor_files import FORMATS, NoTensor

    span = load.spans["path"]
    if not path.endswith(FORMATS):
        raise ev.fail("E0403", span, f'expected the path of an npz or safetensors file, found "{shorten(path, 60)}"',
                      help="`numpy.savez` writes the first format, `safetensors.torch.save_file` the "
                           "second")  # fmt: skip
    try:
        return ev.state.type_in(path, load.tensor)
    except NoTensor as error:
        names = error.names
        raise ev.fail("E0808", load.spans["tensor"], f'{path} holds no tensor "{shorten(load.tensor, 60)}"',
                      help=did_you_mean(load.tensor, names) or f"it holds {listed(names)}") from None  # fmt: skip
    except OSError as error:
        raise ev.fail(UNREADABLE, span, f"{path} {reading.why(error)}",
                      help="paths are relative to the spec") from None  # fmt: skip
    except ValueError as error:
        raise ev.fail(UNREADABLE, span, f"{path} cannot be read: {error}") from None
