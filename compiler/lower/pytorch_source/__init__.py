"""A program as a short PyTorch file that a person could have written: text in, text out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.lower.pytorch_source.model import Model, refused
from dlc.compiler.lower.pytorch_source.weights import load_weights
from dlc.compiler.lower.pytorch_source.writer import NotEmitted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.program import Program

MODEL_ALONE = "`dlc emit --model` writes the model and its loss, without the training script"
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
    imports = {"import torch", "from torch import nn"}
    names = {key: weight.name for key, weight in model.weights}
    loading, table = load_weights(names) if names else ([], [])
    body = [*model.class_lines(), *loading]
    text = "\n".join([*description(program, ""), *import_lines(imports, body), *model.constant_lines(), *table, *body])
    return text.rstrip() + "\n"


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
    found = imports | {line for word, line in used.items() if f" {word}" in text or f"({word}" in text}

    def order(line: str) -> tuple[bool, str]:
        return line.startswith("from"), line.split()[1]

    own = sorted((line for line in found if line.split()[1].split(".")[0] in STANDARD), key=order)
    others = sorted(found.difference(own), key=order)
    return [*own, *([""] if own else []), *others]
