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
    from collections.abc import Sequence

    from dlc.compiler.ir import Weight
    from dlc.compiler.lower.pytorch_source.frames import Frame

LISTED = re.compile(r"(\w+)s\.(\d+)")

RENAMED = '''

def load_weights(model, path):
    """Load weights.safetensors, in which `{spelled}` is called `{spec}`."""

    def numbered(match):
        name, place = match[1], int(match[2])
        return f"{{name}}_{{place + 1}}" if place else name

    weights = load_file(path)
    names = {{key: re.sub(r"_(?=\\.|$)", "", key) for key in model.state_dict()}}
    names = {{key: re.sub(r"(\\w+)s\\.(\\d+)", numbered, names[key]) for key in names}}
    known = {{key: name for key, name in names.items() if name in weights}}
    model.load_state_dict({{key: weights[name] for key, name in known.items()}})
'''
TABLE = '''

def load_weights(model, path):
    """Load weights.safetensors, in which some weights have other names."""
    weights = load_file(path)
    names = {key: NAMES.get(key, key) for key in model.state_dict()}
    known = {key: name for key, name in names.items() if name in weights}
    model.load_state_dict({key: weights[name] for key, name in known.items()})
'''
SAME = '''

def load_weights(model, path):
    """Load weights.safetensors."""
    weights = load_file(path)
    keys = [key for key in model.state_dict() if key in weights]
    model.load_state_dict({key: weights[key] for key in keys})
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


def load_weights(keys: dict[str, str]) -> tuple[list[str], list[str]]:
    """`load_weights(model, path)`, and `NAMES`, a constant that it needs where no rule tells the names. `keys`
    are those of the state of the model, with the names of the spec."""
    changed = {key: name for key, name in keys.items() if key != name}
    if not changed:
        return SAME.splitlines(), []
    if any(by_rule(key) != name for key, name in keys.items()):
        entries = (f"    {quoted(key)}: {quoted(name)}," for key, name in changed.items())
        return TABLE.splitlines(), ["", "NAMES = {", *entries, "}"]
    key = next(iter(changed))
    return RENAMED.format(spelled=key, spec=changed[key]).splitlines(), []


def by_rule(key: str) -> str:
    """The name that the emitted `load_weights` makes of a key."""
    plain = re.sub(r"_(?=\.|$)", "", key)
    return LISTED.sub(lambda m: m[1] + (f"_{int(m[2]) + 1}" if m[2] != "0" else ""), plain)


def initialize(weights: Sequence[tuple[str, Weight]]) -> list[str]:
    """`initialize(model)`: the initial values of the spec, for trainable weights by their keys. Norms, and the
    parameters that the file declares, begin so already where these are constants."""
    groups: dict[str, list[str]] = {}
    left: list[Weight] = []
    for key, weight in weights:
        if weight.role == "norm" or weight.initial.name in ("zeros", "ones", "full") and weight.role != "bias":
            left.append(weight)
        else:
            groups.setdefault(initial(weight), []).append(key)
    by_key = dict(weights)
    cases = []
    for place, (made, names) in enumerate(sorted(groups.items(), key=lambda group: len(group[1]))):
        biases = {key for key in by_key if key.endswith("bias")}
        zeros = all(by_key[key].initial.name == "zeros" for key in biases)
        if made == "nn.init.zeros_(weight)" and zeros and biases.issuperset(names):
            cases.insert(0, ('name.endswith("bias")', made))
        elif place < len(groups) - 1:
            cases.append((f"name in {inline(literal(names))}", made))  # type: ignore[arg-type]
        else:
            flat = all(by_key[key].value.type.rank > 1 for key in names)
            others = flat and all(weight.value.type.rank < 2 for weight in left)
            listed = f"name in {inline(literal(names))}"  # type: ignore[arg-type]
            cases.append(("" if not left else "weight.ndim > 1" if others else listed, made))
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


def initial(weight: Weight) -> str:
    recorder = Recorder()
    shape = tuple(weight.value.type.shape)
    given = Symbol(recorder, text("nn.init")), Symbol(recorder, text("weight"))
    made = weight.initial.torch(*given, shape, weight.fans)  # type: ignore[arg-type]
    return inline(recorder.statements[-1].code) if made is not None else ""
