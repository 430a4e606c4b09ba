"""Weights of the emitted model: their keys in its state, `load_weights`, and initial values."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.python_code import inline, lines, literal, quoted, text
from dlc.compiler.lower.pytorch_source.frames import numbered_name
from dlc.compiler.lower.symbolic import Recorder, Symbol
from dlc.compiler.lower.torch_names import safe
from dlc.compiler.lower.weight_code import written_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.ir.graph import Weight
    from dlc.compiler.lower.pytorch_source.frames import BlockFrame

ZEROS = "nn.init.zeros_(weight)"
PLACE = re.compile(r"\.\d+\b")
LISTED = re.compile(r"(\w+)s\.(\d+)")

SAME = '''

def load_weights(model, path):
    """Load weights.safetensors."""
    weights = load_file(path)
    keys = [key for key in model.state_dict() if key in weights]
    model.load_state_dict({key: weights[key] for key in keys})
'''
LOAD = '''

def load_weights(model, path):
    """{doc}"""
    weights, known = load_file(path), {{}}
    for key in model.state_dict():
{renamed}
        if name in weights:
            known[name] = key
    model.load_state_dict({{key: weights[name] for name, key in known.items()}})
'''
NUMBERED = '''

def numbered(match):
    """`conv` for `convs.0`, `conv_2` for `convs.1`."""
    name, place = match[1], int(match[2])
    return f"{name}_{place + 1}" if place else name
'''


def state_key(model: BlockFrame, weight: str) -> str | None:
    """The `state_dict` key of a weight of the spec. None if the model does not have the weight."""
    frame, rest, found = model, weight, []
    while True:
        attr = next((a for a in accumulate(rest.split("."), "{}.{}".format) if a in frame.members), None)
        if attr is None:
            return None
        base, index = numbered_name(attr)
        found.append(f"{base}s.{index}" if base in frame.lists else safe(attr))
        code, rest = frame.members[attr], rest[len(attr) + 1 :]
        if code.kind != "make":
            return ".".join([*found, rest] if rest else found)
        frame = code.value


def load_weights(keys: Mapping[str, str]) -> list[str]:
    """The function `load_weights(model, path)`. `keys` maps `state_dict` keys to names of the spec."""
    doc, renamed, found = "Load weights.safetensors.", [], []
    parts = {part for key, own in keys.items() for part in {*key.split(".")}.difference(own.split("."))}
    endings = sorted(part[:-1] for part in parts if part.endswith("_"))
    if endings:
        renamed.append(f'        name = re.sub(r"\\b({"|".join(endings)})_(?=\\.|$)", r"\\1", key)')
    listed = next((match for key in keys if (match := LISTED.search(key))), None)
    if listed is not None:
        doc = f"Load weights.safetensors, whose names count copies: `{listed[1]}` is `{listed[0]}`."
        before, found = "name" if renamed else "key", NUMBERED.splitlines()
        renamed.append(f'        name = re.sub(r"(\\w+)s\\.(\\d+)", numbered, {before})')
    text = LOAD.format(doc=doc, renamed="\n".join(renamed)) if renamed else SAME
    return [*found, *text.splitlines()]


def initialize(weights: Sequence[tuple[str, Weight]]) -> list[str]:
    """The function `initialize(model)`, which sets the initial values of the spec. `weights` are the
    trainable ones with their `state_dict` keys, whose places in lists are left out if all copies are alike.
    Weights of norms, and those with values of a list or a file, keep the values with which they are made."""
    groups: dict[str, list[str]] = {}
    kept = {weight for _, weight in weights if weight.role == "norm" or written_values(weight)}
    made = {weight: "" if weight in kept else initial(weight) for _, weight in weights}
    by_key = {PLACE.sub("", key): weight for key, weight in weights}
    are_alike = all(made[weight] == made[by_key[PLACE.sub("", key)]] for key, weight in weights)
    by_key = by_key if are_alike else dict(weights)
    for key, weight in by_key.items():
        if weight not in kept:
            groups.setdefault(made[weight], []).append(key)
    biases = [key for key in by_key if key.endswith("bias")]
    zeros = all(by_key[key].initial.name == "zeros" for key in biases)
    by_ending = zeros and {*biases}.issuperset(groups.get(ZEROS, ())) and groups.pop(ZEROS, ())
    cases = [("if name.endswith(", text('"bias"'), "):", ZEROS)] if by_ending else []
    for values, keys in sorted(groups.items(), key=lambda group: len(group[1])):
        listed: Any = literal(tuple(keys) if len(keys) > 1 else keys[0])
        cases.append(("if name in " if len(keys) > 1 else "if name == ", listed, ":", values))
    matrices = groups and all(by_key[key].value.type.rank > 1 for key in [*groups.values()][-1])
    if cases and not kept:
        cases[-1] = ("", text(""), "", cases[-1][-1])
    elif matrices and all(weight.value.type.rank < 2 for weight in kept):
        cases[-1] = ("if weight.ndim > ", text("1"), ":", cases[-1][-1])
    found = ["", "", "def initialize(model):", '    """Set the initial values of the spec."""']
    if len(cases) == 1 and not kept:
        return [*found, "    for weight in model.parameters():", f"        {cases[0][-1]}"]
    found.append("    for name, weight in model.named_parameters():")
    written = {part.value for _, condition, *_ in cases for part in condition.walk()}
    if not written.isdisjoint(quoted(key) for key in by_key.keys() - dict(weights).keys()):
        found.append('        name = re.sub(r"\\.\\d+", "", name)')
    for index, (before, condition, after, values) in enumerate(cases):
        word = lines(condition, 8, "el" * bool(index) + before, after) if before else ["        else:"]
        found += [*word, f"            {values}"]
    return found if cases else []


def initial(weight: Weight) -> str:
    recorder = Recorder()
    shape = tuple(weight.value.type.shape)
    given = Symbol(recorder, text("nn.init")), Symbol(recorder, text("weight"))
    made = weight.initial.torch(*given, shape, weight.fans)  # type: ignore[arg-type]
    return inline(recorder.statements[-1].code) if made is not None else ""
