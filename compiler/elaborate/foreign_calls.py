"""Calls in the style of other libraries, rewritten in this language: `nn.Linear(4, 8)` is `dense(8)`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases, other_settings
from dlc.compiler.definitions.definition import Definition, Reject
from dlc.compiler.elaborate.scope import find_operator

if TYPE_CHECKING:
    from dlc.compiler.definitions.definition import Setting
    from dlc.compiler.diagnostics.source import Span

PAIRS = {"betas": ("beta1", "beta2"), "size": ("h", "w"), "output_size": ("h", "w")}
UNTOUCHED = ("linear", "none", "None")  # activations that change nothing


class NoEquivalent(Exception):
    """The call has no known equivalent in this language."""


def translate(expr: syntax.Call) -> str:
    """The call in this language. Empty if there is no known equivalent, or if it is the same text."""
    try:
        written = translate_stages(expr)
    except NoEquivalent:
        return ""
    return "" if written == expr.span.text else parenthesized(written, expr.span)


def parenthesized(written: str, span: Span) -> str:
    """A flow, in parentheses where it is called or next to an operator symbol of higher precedence."""
    text = span.source.text
    before, after = text[: span.start].rstrip(" "), text[span.end :].lstrip(" ")
    beside = re.search(r"[-+*/%@<>=!]$", before) and not re.search(r"(->|[^=!<>]=)$", before)
    if " -> " in written and (beside or re.match(r"[(\[.+*/%@<]|-(?!>)|==|!=", after)):
        return f"({written})"
    return written


def translate_stages(expr: syntax.Expr) -> str:
    """One or several stages in this language."""
    if not isinstance(expr, syntax.Call):
        return (
            definition_of(expr).name if isinstance(expr, (syntax.Name, syntax.Attribute)) else no_equivalent()
        )
    plain = last_name(expr.function).lower().replace("_", "")
    positional = [a.value for a in expr.arguments if a.name is None]
    if plain in aliases.FLOWS:
        listed = positional[0] if len(positional) == 1 else None
        parts = listed.items if isinstance(listed, (syntax.ListExpr, syntax.TupleExpr)) else positional
        return " -> ".join(translate_stages(part) for part in parts) or no_equivalent()
    if plain == "activation" and len(positional) == 1 and len(expr.arguments) == 1:
        return activation(positional[0]) or no_equivalent()
    if plain in aliases.SIGNS and len(positional) == len(expr.arguments) == 2:
        left, right = (operand(value) for value in positional)
        return f"{left} {aliases.SIGNS[plain]} {right}"
    if plain == "bidirectional" and len(positional) == len(expr.arguments) == 1:
        return both_directions(positional[0])
    definition = definition_of(expr.function)
    return padded_axes(expr, definition) or native_layer(expr, definition)


def both_directions(layer: syntax.Expr) -> str:
    """The layer of a wrapper, as in `Bidirectional(LSTM(32))`."""
    written = translate_stages(layer)
    if not isinstance(layer, syntax.Call) or "bidirectional" not in definition_of(layer.function).settings:
        raise NoEquivalent
    return f"{written.removesuffix(')')}, bidirectional=true)"


def padded_axes(expr: syntax.Call, definition: type[Definition]) -> str:
    """A `pad` for each axis, the last axis first, as in `F.pad(x, (1, 1, 2, 2))`. Empty for other calls."""
    positional = [a.value for a in expr.arguments if a.name is None]
    widths = positional.pop() if positional else None
    keras = "padding" in last_name(expr.function).lower()
    if definition.name != "pad" or keras or not isinstance(widths, (syntax.TupleExpr, syntax.ListExpr)):
        return ""
    named = [(native_setting(a.name, definition), a.value) for a in expr.arguments if a.name is not None]
    if len(widths.items) % 2 or len(positional) > 1 or any(setting is None for setting, _ in named):
        raise NoEquivalent
    others = "".join(f", {s.name}={native_value(value, s)}" for s, value in named if s)
    sizes = [width.span.text for width in widths.items]
    pairs = list(zip(sizes[::2], sizes[1::2], strict=True))
    pads = [f"pad({a}, {b}, axis=-{n}{others})" for n, (a, b) in enumerate(pairs, 1) if (a, b) != ("0", "0")]
    return " -> ".join((*(tensor.span.text for tensor in positional), *pads))


def native_layer(expr: syntax.Call, definition: type[Definition]) -> str:
    """The call with the settings of this language, followed by its activation."""
    positional = [a.value for a in expr.arguments if a.name is None]
    named = {a.name: a.value for a in expr.arguments if a.name is not None}
    after = ""
    settings: dict[str, str] = {}
    for name, value in named.items():
        if name == "activation" and name not in definition.settings:
            after = activation(value)
            if (within := other_settings.ACTIVATION_WITHIN.get(definition.name)) is not None:
                after = "" if after == within else no_equivalent()
        elif both := native_pair(name, value, definition):
            settings |= both
        elif (found := definition.settings.get(aliases.OPPOSITES.get(name, ""))) is not None:
            settings |= opposite(value, found)
        elif (found := native_setting(name, definition)) is not None:
            if found.name in settings:
                raise NoEquivalent
            settings[found.name] = native_value(value, found)
        elif name not in other_settings.UNNEEDED_SETTINGS:
            raise NoEquivalent
    if len(positional) == 1 and (both := native_pair("size", positional[0], definition)):
        settings, positional = settings | both, []
    if len(positional) == 2 and definition.name == "dense" and (found := activation(positional[1], "")):
        positional, after = positional[:1], found
    own = other_settings.INPUT_SIZE_ARGUMENTS.get(definition.name, (len(positional),))[0]
    unfilled = [s for s in definition.settings.values() if not s.keyword and s.name not in settings]
    if (
        own < len(positional)
        and is_size(positional[own])
        and not re.search("[123]D", last_name(expr.function))
    ):
        shorter = [*positional[:own], *positional[own + 1 :]]
        if all(any(s is w for w in unfilled[: len(shorter)]) for s in unfilled if s.required):
            positional = shorter
    if len(positional) > len(unfilled) and not any(s.rest for s in unfilled):
        raise NoEquivalent
    taken = [s for s in unfilled if not s.rest][: len(positional)]
    if any(s.required and s not in taken and not s.rest for s in unfilled):
        raise NoEquivalent
    texts = [native_value(v, taken[i] if i < len(taken) else unfilled[-1]) for i, v in enumerate(positional)]
    texts += [f"{name}={text}" for name, text in settings.items()]
    written = f"{definition.name}({', '.join(texts)})" if texts else definition.name
    return f"{written} -> {after}" if after else written


def is_size(value: syntax.Expr) -> bool:
    return not isinstance(value, syntax.Literal) or (isinstance(value.value, int) and value.value > 1)


def native_pair(name: str, value: syntax.Expr, definition: type[Definition]) -> dict[str, str]:
    """The two settings, with their values, for a pair of other libraries such as `betas=(0.9, 0.99)`."""
    names, known = PAIRS.get(name, ()), definition.settings
    if not isinstance(value, (syntax.TupleExpr, syntax.ListExpr)) or not all(n in known for n in names):
        return {}
    values = [entry.span.text for entry in value.items]
    return dict(zip(names, values, strict=True)) if len(values) == len(names) else {}


def opposite(value: syntax.Expr, setting: Setting) -> dict[str, str]:
    """The setting for the opposite of true or false, unless that is its default."""
    said = {"true": False, "false": True}.get(aliases.CONSTANTS.get(value.span.text, value.span.text))
    if said is None:
        raise NoEquivalent
    return {} if said == setting.default else {setting.name: str(said).lower()}


def native_setting(name: str, definition: type[Definition]) -> Setting | None:
    """The setting of a definition that has that name in other libraries."""
    known = definition.settings
    return known.get(name) or next(
        (known[word] for word in aliases.SETTINGS.get(name, ()) if word in known), None
    )


def native_value(value: syntax.Expr, setting: Setting) -> str:
    """The value of a setting in this language."""
    text = value.span.text
    if isinstance(value, syntax.Name):
        text = aliases.CONSTANTS.get(text, text)
    elif isinstance(value, syntax.Literal) and isinstance(value.value, str):
        word = aliases.WORDS.get(value.value, value.value)
        member = aliases.named(word, *setting.kind.families()) if setting.kind.families() else ""
        if setting.kind.words or member:
            text = member or word
            if not member and text not in (*setting.kind.words, "0"):
                raise NoEquivalent
    elif isinstance(value, (syntax.Attribute, syntax.Call)) or is_list_for_one(value, setting):
        raise NoEquivalent
    if isinstance(value, syntax.Literal) and text == value.span.text:
        try:
            setting.kind.accept(value.value)
        except Reject:
            raise NoEquivalent from None
        if setting.name == "bias" and not isinstance(value.value, bool):
            raise NoEquivalent
    return text


def is_list_for_one(value: syntax.Expr, setting: Setting) -> bool:
    """Whether the value is a list, and the setting takes no list."""
    return isinstance(value, (syntax.ListExpr, syntax.TupleExpr)) and setting.kind.item() is None


def activation(value: syntax.Expr, otherwise: str | None = None) -> str:
    """The stage for the `activation` argument of a layer. Empty for the identity."""
    name = value.value if isinstance(value, syntax.Literal) else last_name(value, "")
    if value.span.text in UNTOUCHED or name in UNTOUCHED or name is None:
        return ""
    found = aliases.named(name, "operator") if isinstance(name, str) and name else ""
    if found and find_operator(found, losses=False):
        return found
    if otherwise is None:
        raise NoEquivalent
    return otherwise


def definition_of(function: syntax.Expr) -> type[Definition]:
    """The operator or loss with that name, here or in other libraries."""
    name = last_name(function)
    word = aliases.named(name, "operator", "combinator", "loss")
    return find_operator(name, losses=True) or find_operator(word, losses=True) or no_equivalent()


def operand(value: syntax.Expr) -> str:
    simple = isinstance(value, (syntax.Name, syntax.Literal, syntax.Call, syntax.Index, syntax.Attribute))
    return value.span.text if simple or value.span.text.startswith("(") else f"({value.span.text})"


def last_name(function: syntax.Expr, otherwise: str | None = None) -> str:
    """`Linear` of `nn.Linear`."""
    if isinstance(function, syntax.Attribute):
        return function.name
    if isinstance(function, syntax.Name):
        return function.id
    if otherwise is None:
        raise NoEquivalent
    return otherwise


def no_equivalent():
    raise NoEquivalent
