"""What is said of names that stand for nothing: what they are called here, or the nearest that there is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases
from dlc.compiler.definitions.definition import STAGES
from dlc.compiler.definitions.libraries import MODULES
from dlc.compiler.definitions.parameter_types import describe
from dlc.compiler.definitions.unimplemented import later, not_built
from dlc.compiler.elaborate import foreign_calls
from dlc.compiler.elaborate.scope import FUNCTIONS, find_operator, for_settings
from dlc.compiler.elaborate.values import Halt, is_tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Evaluator

MAX_BESIDE = 100  # characters
UNBUILT = ("operator", "loss", "function")


def name(ev: Evaluator, name: str, span: Span, otherwise: str = "", call: syntax.Call | None = None) -> Halt:
    """A name that the scope does not know, which a `call` calls; `otherwise` is what to do where no other can
    be meant."""
    if name in later(*UNBUILT):
        return ev.refuse(span, not_built("operator", name))
    if name in FUNCTIONS:
        return ev.fail("E0302", span, f"`{name}` is a function: call it", help=f"write `{name}(...)`")
    if ev.e.problems.seen("E0301", span) or name in ev.e.torn.names:
        return Halt()
    if find_operator(name, losses=True):
        return ev.fail("E0302", span, f"`{name}` may stand only in a loss, `train {{ loss = ... }}`",
                       help="where none is written, an output's loss follows from its type")  # fmt: skip
    if name in ev.scope.file.declared:
        return ev.fail("E0304", span, f"`{name}` is not known yet, where params and types are read",
                       help="a param knows the params above it, a type the params and the inputs "
                            "above it")  # fmt: skip
    if not ev.scope.top and name in ev.e.top_names():
        return ev.fail("E0304", span, f"a block or net does not see `{name}` of the file around it",
                       help=f"pass `{name}` to it, as a tensor or as a setting")  # fmt: skip
    return nothing(ev, name, span, ev.scope.candidates, otherwise, call)


def nothing(ev: Evaluator, name: str, span: Span, candidates: Callable[[], Collection[str]],
            otherwise: str = "", call: syntax.Call | None = None) -> Halt:  # fmt: skip
    """Nothing has this name, and no error before this one is the reason."""
    word = aliases.named(name, *STAGES)
    if word in later(*UNBUILT):
        return ev.refuse(span, not_built("operator", word, name))
    place, help = here(span, call)
    help = help or aliases.operator(name).replace("OUTPUT", output_beside(ev, span)) or for_settings(name)
    if ev.e.torn.nameless and not help:
        return Halt()  # it may be the name that is lost
    near = "" if name in aliases.ABSENT else ev.e.nearest.did_you_mean(name, candidates)
    help = help or near or otherwise
    return ev.fail("E0301", place, f"nothing is called `{name}` here", help=help)


def output_beside(ev: Evaluator, span: Span) -> str:
    """The output that is given to a call beside this place, or the only one."""
    outputs, text = ev.scope.file.outputs, span.source.text
    before = re.search(r"(\w+)\s*,\s*$", text[max(0, span.start - MAX_BESIDE) : span.start])
    after = re.match(r"\s*,\s*(\w+)", text[span.end : span.end + MAX_BESIDE])
    beside = [found[1] for found in (before, after) if found and found[1] in outputs]
    return next(iter(beside or outputs)) if beside or len(outputs) == 1 else "OUTPUT"


def here(span: Span, call: syntax.Call | None) -> tuple[Span, str]:
    """How a call of another library is written here, with the place of what is to be written anew."""
    written = foreign_calls.call(call) if call else ""
    if not call or not written:
        return span, ""
    arguments = call.span.text[len(call.function.span.text) :]
    only = written.removesuffix(arguments)
    if written.endswith(arguments) and only.isidentifier():
        return call.function.span, f"it is written `{only}` here"
    return call.span, f"write `{written}`"


def module(ev: Evaluator, path: syntax.Attribute, call: syntax.Call | None = None) -> Halt | None:
    """`nn.Linear` where nothing is called `nn`; none where something is."""
    root = root_of(path)
    if root is None or knows(ev, root.id) or (root.id in ev.e.torn.names and root.id not in MODULES):
        return None
    if ev.e.problems.seen("E0301", root.span):
        return Halt()
    word = aliases.named(path.name, *STAGES)
    if word in later(*UNBUILT):
        return ev.refuse(path.span, not_built("operator", word, path.span.text))
    place, help = here(path.span, call)
    if not help and root.id not in MODULES:
        return None
    own = path.name if find_operator(path.name, losses=True) else word
    help = help or (f"it is written `{own}` here" if own else aliases.operator(path.name))
    return ev.fail("E0301", place, f"nothing is called `{root.id}` here",
                   help=help or "the words of the language stand by themselves, and need no "
                                "module")  # fmt: skip


def method(ev: Evaluator, call: syntax.Call, function: syntax.Attribute) -> Halt:
    """`x.relu()`: nothing that stands behind a point can be called."""
    if halt := module(ev, function, call):
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
        return ev.fail("E0306", call.span, message, help=f"write `{foreign_calls.call(plain)}`")
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
