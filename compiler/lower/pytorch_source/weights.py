"""Weights of the file by the names of the spec: where they are, how they are loaded, and how they begin."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import TYPE_CHECKING

from dlc.compiler.lower.python_code import inline, lines, literal, quoted, text
from dlc.compiler.lower.pytorch_source.frames import numbered_name
from dlc.compiler.lower.symbolic import Recorder, Symbol
from dlc.compiler.lower.torch_names import safe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.ir import Weight
    from dlc.compiler.lower.pytorch_source.frames import Frame

ZEROS = "nn.init.zeros_(weight)"
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
        name = {name}
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


def state_key(model: Frame, weight: str) -> str | None:
    """The key in the state of the model of a weight of the spec; none if the model has no such weight."""
    frame, rest, found = model, weight, []
    while True:
        attr = next((a for a in accumulate(rest.split("."), "{}.{}".format) if a in frame.members), None)
        if attr is None:
            return None
        base, place = numbered_name(attr)
        found.append(f"{base}s.{place}" if base in frame.lists else safe(attr))
        code, rest = frame.members[attr], rest[len(attr) + 1 :]
        if code.kind != "make":
            return ".".join([*found, rest] if rest else found)
        frame = code.value


def load_weights(keys: Mapping[str, str]) -> list[str]:
    """`load_weights(model, path)`. `keys` are those of the state of the model, with the names of the spec."""
    doc, name, found = "Load weights.safetensors.", "key", []
    endings = {
        part for key, spelled in keys.items() for part in key.split(".") if f".{part}." not in f".{spelled}."
    }
    endings = sorted(part[:-1] for part in endings if part.endswith("_"))
    if endings:
        name = f're.sub(r"\\b({"|".join(endings)})_(?=\\.|$)", r"\\1", key)'
    listed = next((match for key in keys if (match := LISTED.search(key))), None)
    if listed is not None:
        doc = f"Load weights.safetensors, whose names count copies: `{listed[1]}` is `{listed[0]}`."
        name, found = f're.sub(r"(\\w+)s\\.(\\d+)", numbered, {name})', NUMBERED.splitlines()
    if name == "key":
        return SAME.splitlines()
    return [*found, *LOAD.format(doc=doc, name=name).splitlines()]


def initialize(weights: Sequence[tuple[str, Weight]]) -> list[str]:
    """`initialize(model)`: the initial values of the spec, for trainable weights by their keys. Norms, and the
    parameters that the file declares, begin so already where these are constants."""
    groups: dict[str, list[str]] = {}
    left: list[Weight] = []
    for key, weight in weights:
        if weight.role == "norm" or (
            weight.initial.name in ("zeros", "ones", "full") and weight.role != "bias"
        ):
            left.append(weight)
        else:
            groups.setdefault(initial(weight), []).append(key)
    by_key, cases = dict(weights), []
    biases = {key for key in by_key if key.endswith("bias")}
    zeros = groups.get(ZEROS, ())
    if biases.issuperset(zeros) and all(by_key[key].initial.name == "zeros" for key in biases) and zeros:
        cases.append(('name.endswith("bias")', ZEROS))
        del groups[ZEROS]
    *few, last = sorted(groups.items(), key=lambda group: len(group[1])) or [("", [])]
    for made, keys in few:
        cases.append((within(keys), made))
    flat = all(by_key[key].value.type.rank > 1 for key in last[1]) and all(
        w.value.type.rank < 2 for w in left
    )
    cases.append(("" if not left else "weight.ndim > 1" if flat else within(last[1]), last[0]))
    cases = [case for case in cases if case[1]]
    return initialize_lines(cases) if cases else []


def initialize_lines(cases: list[tuple[str, str]]) -> list[str]:
    found = ["", "", "def initialize(model):", '    """Set the initial values of the spec."""',
             "    for name, weight in model.named_parameters():"]  # fmt: skip
    for place, (condition, made) in enumerate(cases):
        if not condition and not place:
            return [*found[:-1], "    for weight in model.parameters():", f"        {made}"]
        word = f"{'el' * bool(place)}if {condition}:" if condition else "else:"
        found += [*lines(text(word), 8), f"            {made}"]
    return found


def within(keys: list[str]) -> str:
    return f"name == {quoted(keys[0])}" if len(keys) == 1 else f"name in {inline(literal(tuple(keys)))}"  # type: ignore[arg-type]


def initial(weight: Weight) -> str:
    recorder = Recorder()
    shape = tuple(weight.value.type.shape)
    given = Symbol(recorder, text("nn.init")), Symbol(recorder, text("weight"))
    made = weight.initial.torch(*given, shape, weight.fans)  # type: ignore[arg-type]
    return inline(recorder.statements[-1].code) if made is not None else ""
