"""Errors for unknown names, with the equivalent in this language or the nearest known name as the fix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases
from dlc.compiler.definitions.definition import STAGES
from dlc.compiler.definitions.libraries import MODULES
from dlc.compiler.definitions.parameter_types import describe
from dlc.compiler.definitions.unimplemented import not_built, unimplemented_words
from dlc.compiler.elaborate import foreign_calls
from dlc.compiler.elaborate.scope import (
    CONSTANTS,
    FUNCTIONS,
    LOSS_FUNCTIONS,
    find_operator,
    settings_only_fix,
)
from dlc.compiler.elaborate.values import Halt, InputRef, OutputRef, is_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Evaluator

MAX_BESIDE = 100  # characters
UNBUILT = ("operator", "loss", "function")
# Help for functions of losses that are written elsewhere.
ELSEWHERE = {"ramp": "the `decay` of an average net may be one; learning rates change by `schedule = ...`"}


def unresolved(
    ev: Evaluator, name: str, span: Span, otherwise: str = "", call: syntax.Call | None = None
) -> Halt:
    """The error for a name that is not in scope. `call` is the call of which it is the function. `otherwise`
    is the help text if no similar name exists."""
    if name in unimplemented_words(*UNBUILT):
        return ev.reject(span, not_built("operator", name))
    if name in LOSS_FUNCTIONS and not ev.losses:
        return ev.fail("E0302", span, f"`{name}` is allowed only in a loss, `train {{ loss = ... }}`",
                       help=ELSEWHERE.get(name, ""))  # fmt: skip
    if name in (*FUNCTIONS, *CONSTANTS, *LOSS_FUNCTIONS):
        return ev.fail("E0302", span, f"`{name}` is a function: call it", help=f"write `{name}(...)`")
    if ev.state.problems.seen("E0301", span) or name in ev.state.recovery.names:
        return Halt()
    if find_operator(name, losses=True):
        return ev.fail("E0302", span, f"`{name}` is allowed only in a loss, `train {{ loss = ... }}`",
                       help="without `loss`, the loss of an output follows from its type")  # fmt: skip
    if name in ev.scope.file.declared:
        return ev.fail("E0304", span, f"`{name}` is not known yet when params and types are read",
                       help="a param can use the params above it, a type the params and the inputs "
                            "above it")  # fmt: skip
    if not ev.scope.top and name in ev.state.top_names():
        return ev.fail("E0304", span, f"a block or net does not see `{name}` of the file around it",
                       help=f"pass `{name}` to it, as a tensor or as a setting")  # fmt: skip
    return unknown(ev, name, span, ev.scope.candidates, otherwise, call)


def unknown(ev: Evaluator, name: str, span: Span, candidates: Callable[[], Collection[str]],
            otherwise: str = "", call: syntax.Call | None = None) -> Halt:  # fmt: skip
    """The error for a name that nothing has, and whose absence is not caused by another error."""
    word = aliases.named(name, *STAGES)
    if word in unimplemented_words(*UNBUILT):
        return ev.reject(span, not_built("operator", word, name))
    replaced, help = native_call(span, call)
    help = (
        help or aliases.operator(name).replace("OUTPUT", adjacent_output(ev, span)) or settings_only_fix(name)
    )
    if ev.state.recovery.name_lost and not help:
        return Halt()  # a lost declaration may have this name
    near = "" if name in aliases.ABSENT else ev.state.nearest.did_you_mean(name, candidates)
    help = help or class_of_a_field(ev, name) or near or otherwise
    ev.state.recovery.unknown_names.add(name)
    return ev.fail("E0301", replaced, f"nothing is called `{name}` here", help=help)


def class_of_a_field(ev: Evaluator, name: str) -> str:
    """The fix for a bare name that is a class of an input or an output, as in `kind == setosa`."""
    file = ev.scope.file
    inputs = (i.value.type for i in file.inputs.values() if isinstance(i, InputRef))
    outputs = (o.declared for o in file.outputs.values() if isinstance(o, OutputRef))
    known = any(t.classes is not None and name in (t.classes.names or ()) for t in (*inputs, *outputs))
    return f'a class is compared as text: write `"{name}"`' if known else ""


def adjacent_output(ev: Evaluator, span: Span) -> str:
    """The output that is an argument next to this span, or the only output of the file."""
    outputs, text = ev.scope.file.outputs, span.source.text
    before = re.search(r"(\w+)\s*,\s*$", text[max(0, span.start - MAX_BESIDE) : span.start])
    after = re.match(r"\s*,\s*(\w+)", text[span.end : span.end + MAX_BESIDE])
    beside = [found[1] for found in (before, after) if found and found[1] in outputs]
    return next(iter(beside or outputs)) if beside or len(outputs) == 1 else "OUTPUT"


def native_call(span: Span, call: syntax.Call | None) -> tuple[Span, str]:
    """The equivalent in this language of a call of another library, with the span to replace."""
    written = foreign_calls.translate(call) if call else ""
    if not call or not written:
        return span, ""
    arguments = call.span.text[len(call.function.span.text) :]
    only = written.removesuffix(arguments)
    if written.endswith(arguments) and only.isidentifier():
        return call.function.span, f"it is written `{only}` here"
    return call.span, f"write `{written}`"


def foreign_module(ev: Evaluator, path: syntax.Attribute, call: syntax.Call | None = None) -> Halt | None:
    """The error for `nn.Linear` if `nn` is unknown; otherwise `None`."""
    root = root_of(path)
    if root is None or knows(ev, root.id) or (root.id in ev.state.recovery.names and root.id not in MODULES):
        return None
    if ev.state.problems.seen("E0301", root.span):
        return Halt()
    word = aliases.named(path.name, *STAGES)
    if word in unimplemented_words(*UNBUILT):
        return ev.reject(path.span, not_built("operator", word, path.span.text))
    replaced, help = native_call(path.span, call)
    if not help and root.id not in MODULES:
        return None
    known = path.name in (*FUNCTIONS, *CONSTANTS) or find_operator(path.name, losses=True)
    own = path.name if known else word
    help = help or (f"it is written `{own}` here" if own else aliases.operator(path.name))
    return ev.fail("E0301", replaced, f"nothing is called `{root.id}` here",
                   help=help or "the words of the language are written without a "
                                "module")  # fmt: skip


def method_call(ev: Evaluator, call: syntax.Call, function: syntax.Attribute) -> Halt:
    """The error for `x.relu()`. Attributes cannot be called."""
    if halt := foreign_module(ev, function, call):
        return halt
    value = ev.evaluate(function.value)
    owner, name = function.value.span.text, function.name
    if not is_tensor(value):
        ev.evaluate(function)
    message = f"{describe(value)} has no `.{name}`"
    known = aliases.METHODS.get(name, name)
    if known in ("shape", "rank", "features", "channels", "classes", "target", "logits", "probabilities"):
        help = (
            f"write `{owner}.{known}`" if not call.arguments else f"the sizes of a sample are `{owner}.shape`"
        )
        return ev.fail("E0401", call.span, f"`{owner}.{name}` is not called", help=help)
    tensor = syntax.Argument(function.value)
    plain = syntax.Call(call.span, syntax.Name(function.name_span, name), (tensor, *call.arguments))
    arguments = ", ".join(
        f"{a.name}={a.value.span.text}" if a.name else a.value.span.text for a in plain.arguments
    )
    word = aliases.named(name, *STAGES)
    if name in aliases.SIGNS and len(plain.arguments) == 2:
        return ev.fail("E0306", call.span, message, help=f"write `{foreign_calls.translate(plain)}`")
    if find_operator(word, losses=ev.losses):
        return ev.fail("E0306", call.span, message, help=f"write `{word}({arguments})`")
    return ev.fail("E0306", function.name_span, message, help=aliases.operator(name))


def root_of(path: syntax.Expr) -> syntax.Name | None:
    while isinstance(path, syntax.Attribute):
        path = path.value
    return path if isinstance(path, syntax.Name) else None


def knows(ev: Evaluator, name: str) -> bool:
    file = ev.scope.file
    tables = (ev.scope.names, file.declared, file.free, FUNCTIONS, file.groups)
    return (
        any(name in table for table in tables) or file.knows(name) or bool(find_operator(name, losses=True))
    )
