"""A program as a short PyTorch file that a person could have written: text in, text out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dlc.compiler.definitions.sections import BUILTINS
from dlc.compiler.lower.pytorch_source.model import EmittedModel, refused
from dlc.compiler.lower.pytorch_source.script import script
from dlc.compiler.lower.pytorch_source.weights import load_weights
from dlc.compiler.lower.pytorch_source.writer import NotEmitted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.program import CompiledProgram

PATHS = "Run it in the folder of the spec: its paths are relative to that."
STANDARD = ("copy", "gzip", "math", "os", "re")
IMPORTS = {  # by what the file calls
    "F": "from torch.nn import functional as F", "np": "import numpy as np", "pd": "import pandas as pd",
    "re": "import re", "os": "import os", "gzip": "import gzip", "cos": "from math import cos, pi",
    "deepcopy": "from copy import deepcopy", "load_file": "from safetensors.torch import load_file",
    "train_test_split": "from sklearn.model_selection import train_test_split",
    **{f"load_{name}": f"from sklearn.datasets import load_{name}" for name in BUILTINS},
}  # fmt: skip
UTILITIES = ("DataLoader", "Subset", "TensorDataset", "random_split")  # of torch.utils.data


def emit(program: CompiledProgram, *, model_alone: bool = False) -> str:
    """The file: the model with its loss, and unless that is asked for alone, the script that trains it."""
    program.check_answers()
    try:
        return whole(program, model_alone)
    except NotEmitted as error:
        site, name = error.node.site, error.node.operator.name
        message = f"`{name}` cannot be written in plain PyTorch: {error}"
        raise refused("E0820", site.span, message, "", site.way()) from None


def whole(program: CompiledProgram, model_alone: bool) -> str:
    model = EmittedModel(program)
    names = {key: weight.name for key, weight in model.weights}
    loading = load_weights(names) if names else []
    training = [] if model_alone else script(model)
    body = [*model.class_lines(), *loading, *training]
    opens = program.data is not None and "path" in getattr(program.data.source, "settings", ())
    head = [*description(program, PATHS if opens and training else ""), *import_lines(body)]
    return "\n".join([*head, *model.constant_lines(), *body]).rstrip() + "\n"


def description(program: CompiledProgram, more: str) -> list[str]:
    """The docstring of the file."""
    text = (program.description or program.name).replace("\\", "\\\\").replace('"""', "'''").split("\n")
    text = [line.rstrip() for line in text] + (["", more] if more else [])
    text[-1] += ' """' if text[-1].endswith('"') else '"""'
    return [f'"""{text[0]}', *text[1:], ""]


def import_lines(body: Iterable[str]) -> list[str]:
    """Imports in the order of isort: the standard library first."""
    called = set(re.findall(r"(?<![\w.])(\w+)[.(]", "\n".join(body)))
    found = {"import torch", "from torch import nn", *(IMPORTS[name] for name in IMPORTS if name in called)}
    utilities = ", ".join(name for name in UTILITIES if name in called)
    found |= {f"from torch.utils.data import {utilities}"} if utilities else set()

    def order(line: str) -> tuple[bool, str]:
        return line.startswith("from"), line.split()[1]

    own = sorted((line for line in found if line.split()[1] in STANDARD), key=order)
    return [*own, *([""] if own else []), *sorted(found.difference(own), key=order)]
