"""A program as a short PyTorch file that a person could have written: text in, text out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.pytorch_source.model import Model, refused
from dlc.compiler.lower.pytorch_source.script import script
from dlc.compiler.lower.pytorch_source.weights import load_weights
from dlc.compiler.lower.pytorch_source.writer import NotEmitted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.program import Program

PATHS = "Run it in the folder of the spec: its paths are relative to that."
STANDARD = ("copy", "gzip", "math", "os", "re")


def emit(program: Program, *, model_alone: bool = False) -> str:
    """The file: the model with its loss, and unless that is asked for alone, the script that trains it."""
    program.check_answers()
    try:
        return whole(program, model_alone)
    except NotEmitted as error:
        site, name = error.node.site, error.node.operator.name
        message = f"`{name}` cannot be said in plain PyTorch: {error}"
        raise refused("E0820", site.span, message, "", site.way()) from None


def whole(program: Program, model_alone: bool) -> str:
    model = Model(program)
    names = {key: weight.name for key, weight in model.weights}
    loading = load_weights(names) if names else []
    training, imports = ([], set()) if model_alone else script(model)
    body = [*model.class_lines(), *loading, *training]
    opens = any("path" in source.settings for source in sources(program)) and training
    head = [*description(program, PATHS if opens else ""), *import_lines(imports, body)]
    return "\n".join([*head, *model.constant_lines(), *body]).rstrip() + "\n"


def sources(program: Program) -> list[Any]:
    return [program.data.source] if program.data is not None and program.data.source is not None else []


def description(program: Program, more: str) -> list[str]:
    """The docstring of the file."""
    text = (program.description or program.name).replace("\\", "\\\\").replace('"""', "'''").split("\n")
    text = [line.rstrip() for line in text] + (["", more] if more else [])
    text[-1] += ' """' if text[-1].endswith('"') else '"""'
    return [f'"""{text[0]}', *text[1:], ""]


def import_lines(imports: set[str], body: Iterable[str]) -> list[str]:
    """Imports in the order of isort: the standard library first."""
    text = "\n".join(body)
    used = {"F.": "from torch.nn import functional as F", "np.": "import numpy as np", "re.": "import re",
            "load_file(": "from safetensors.torch import load_file"}  # fmt: skip
    found = imports | {"import torch", "from torch import nn"}
    found |= {line for word, line in used.items() if f" {word}" in text or f"({word}" in text}
    utilities = sorted(line.split()[-1] for line in found if "torch.utils.data" in line)
    found = {line for line in found if "torch.utils.data" not in line}
    found |= {f"from torch.utils.data import {', '.join(utilities)}"} if utilities else set()

    def order(line: str) -> tuple[bool, str]:
        return line.startswith("from"), line.split()[1]

    own = sorted((line for line in found if line.split()[1].split(".")[0] in STANDARD), key=order)
    others = sorted(found.difference(own), key=order)
    return [*own, *([""] if own else []), *others]
