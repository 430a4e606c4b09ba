"""Emits a program as one short, readable PyTorch file, without importing torch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dlc.compiler.definitions.sections import BUILTINS
from dlc.compiler.lower.pytorch_source.model import EmittedModel, emit_error
from dlc.compiler.lower.pytorch_source.script import script
from dlc.compiler.lower.pytorch_source.weights import load_weights
from dlc.compiler.lower.pytorch_source.writer import NotEmitted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.program import CompiledProgram

PATHS = "Run it in the folder of the spec: its paths are relative to that."
STANDARD = ("copy", "gzip", "math", "os", "re")
IMPORTS = {  # by the name that the file calls
    "F": "from torch.nn import functional as F", "np": "import numpy as np", "pd": "import pandas as pd",
    "re": "import re", "os": "import os", "gzip": "import gzip", "cos": "from math import cos, pi",
    "deepcopy": "from copy import deepcopy", "load_file": "from safetensors.torch import load_file",
    "train_test_split": "from sklearn.model_selection import train_test_split",
    **{f"load_{name}": f"from sklearn.datasets import load_{name}" for name in BUILTINS},
}  # fmt: skip
UTILITIES = ("DataLoader", "Subset", "TensorDataset", "random_split")  # from torch.utils.data


def emit(program: CompiledProgram, *, model_alone: bool = False) -> str:
    """The text of the file: the model with its loss and, unless `model_alone`, the training script."""
    program.check_answers()
    try:
        return file_text(program, model_alone)
    except NotEmitted as error:
        site, name = error.node.site, error.node.operator.name
        message = f"`{name}` cannot be written in plain PyTorch: {error}"
        raise emit_error("E0820", site.span, message, "", site.way()) from None


def file_text(program: CompiledProgram, model_alone: bool) -> str:
    model = EmittedModel(program)
    names = {key: weight.name for key, weight in model.weights}
    loading = load_weights(names) if names else []
    training = [] if model_alone else script(model)
    body = [*model.class_lines(), *loading, *training]
    reads_files = program.data is not None and "path" in getattr(program.data.source, "settings", ())
    head = [*module_docstring(program, PATHS if reads_files and training else ""), *import_lines(body)]
    return "\n".join([*head, *model.constant_lines(), *body]).rstrip() + "\n"


def module_docstring(program: CompiledProgram, note: str) -> list[str]:
    """The docstring of the file."""
    text = (program.description or program.name).replace("\\", "\\\\").replace('"""', "'''").split("\n")
    text = [line.rstrip() for line in text] + (["", note] if note else [])
    text[-1] += ' """' if text[-1].endswith('"') else '"""'
    return [f'"""{text[0]}', *text[1:], ""]


def import_lines(body: Iterable[str]) -> list[str]:
    """The imports, in the order of isort: the standard library first."""
    called = set(re.findall(r"(?<![\w.])(\w+)[.(]", "\n".join(body)))
    found = {"import torch", "from torch import nn", *(IMPORTS[name] for name in IMPORTS if name in called)}
    utilities = ", ".join(name for name in UTILITIES if name in called)
    found |= {f"from torch.utils.data import {utilities}"} if utilities else set()

    def order(line: str) -> tuple[bool, str]:
        return line.startswith("from"), line.split()[1]

    standard = sorted((line for line in found if line.split()[1] in STANDARD), key=order)
    return [*standard, *([""] if standard else []), *sorted(found.difference(standard), key=order)]
