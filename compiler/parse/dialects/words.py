"""Keywords of other languages: imports, functions, `let`, `lambda`."""

from __future__ import annotations

from itertools import pairwise, takewhile

from dlc.compiler.definitions.libraries import LIBRARIES
from dlc.compiler.diagnostics.quoting import shorten
from dlc.compiler.diagnostics.suggest import nearest
from dlc.compiler.parse.dialects.heads import MAX_SEARCHED, flows
from dlc.compiler.parse.dialects.statement import (
    DialectHint,
    UnknownStatement,
    adjacent,
    closing_index,
    levels,
    split,
)
from dlc.compiler.parse.keyword_help import KEYWORD_HELP, LAYERS
from dlc.compiler.parse.tokens import DECLARATIONS, SECTIONS, retyped

# Words before the name in a declaration of a variable.
BINDERS = frozenset({
    "let", "var", "const", "val", "mut", "auto", "local", "global", "static", "final", "public", "private",
    "set", "int", "float", "double", "bool", "string", "String", "str", "number", "long", "char", "boolean",
    "size_t",
})  # fmt: skip
# Words that declare a function or a class, and the equivalent here.
TEMPLATES = {
    **dict.fromkeys(("def", "function", "func", "fn", "fun", "layer", "sub", "proc", "async", "macro"),
                     "block"),
    **dict.fromkeys(("class", "model", "module", "network", "struct"), "net"),
}  # fmt: skip
# Names of sections in other libraries.
SECTION_ALIASES = {
    **dict.fromkeys(("trainer", "training", "fit", "hyperparameters", "hparams", "learning"), "train"),
    **dict.fromkeys(("dataset", "datasets", "dataloader", "datamodule"), "data"),
    **dict.fromkeys(("expectations", "expected", "requirements", "tests"), "expect"),
    **dict.fromkeys(("exports", "exporter", "deployment"), "export"),
}  # fmt: skip


def python_import(s: UnknownStatement) -> DialectHint | None:
    """`import torch`, `from std import basic`."""
    if s.tokens[0] not in ("import", "from", "using") or len(s.tokens) < 2:
        return None
    first, second = s.tokens[:2]
    if first == "import" and second.type in ("LBRACE", "STAR"):
        return _import_of_javascript(s)
    names = [t for t in s.tokens[1:] if t.type == "NAME"]
    if names and second is names[0] and str(second) in LIBRARIES:
        return s.error(
            f"`import` is for blocks of another `.dl` file, and `{second}` is a library",
            "leave it out: layers, losses and optimizers are part of the language",
            s.tokens,
            replacement=[],
        )
    if second.type == "STRING" and first == "import":
        message = "an import lists the imported names"
        return s.error(message, f"name them: `import f, g from {second}`", s.tokens)
    at = next((i for i, t in enumerate(s.tokens) if t == "import"), 0)
    brought = [t for t in s.tokens[at + 1 :] if t.type == "NAME"]
    plain = all(t.type in ("NAME", "COMMA") for t in s.tokens[at + 1 :])
    if first == "from" and at == 2 and brought:
        file = str(second) if second == "std" or second.type == "STRING" else f'"{second}.dl"'
        path = retyped(second, "STRING" if file.startswith('"') else "NAME", file)
        replacement = [s.tokens[at], *s.tokens[at + 1 :], retyped(first, "NAME", "from"), path]
        listed = ", ".join(map(str, brought))
        return s.error(
            "an import begins with the imported names",
            f"write `import {listed} from {file}`",
            s.tokens,
            replacement=[replacement] if plain else None,
        )
    if first == "import" and at == 0 and plain:
        listed = ", ".join(map(str, brought))
        return s.error(
            "an import names its file",
            f'name it: `import {listed} from "other.dl"`, or `from std` for the shipped blocks',
            s.tokens,
        )
    return None


def repeated_token(s: UnknownStatement) -> DialectHint | None:
    """`x = = 3`, `expect expect { ... }`."""
    types = ("EQUAL", "COLON", "DOT", "SEMICOLON", "COMPARE")
    for i, (a, b) in enumerate(pairwise(s.tokens)):
        heads = i == 0 and str(a) in SECTIONS | DECLARATIONS
        if str(a) == str(b) and a.line == b.line and (a.type in types or heads):
            replacement = [*s.tokens[: i + 1], *s.tokens[i + 2 :]]
            return s.error(f"`{a}` is written twice", "leave it out", [b], replacement=[replacement])
    return None


def section_alias(s: UnknownStatement) -> DialectHint | None:
    """`trainer { ... }`."""
    meant = SECTION_ALIASES.get(str(s.tokens[0]).lower().replace("_", ""), "")
    if not meant or not s.types("NAME", "LBRACE"):
        return None
    replacement = [retyped(s.tokens[0], "NAME", meant), *s.tokens[1:]]
    message = f"`{s.tokens[0]}` does not start a statement"
    return s.error(message, f"write `{meant}`", s.tokens[:1], replacement=[replacement])


def misspelt(s: UnknownStatement) -> DialectHint | None:
    """`trian { ... }`, `imput x: float`."""
    if len(s.tokens) < 2 or s.tokens[0].type != "NAME":
        return None
    if any(str(s.tokens[0]) in known for known in (KEYWORD_HELP, BINDERS, TEMPLATES)):
        return None
    words = {"LBRACE": SECTIONS, "NAME": DECLARATIONS}.get(s.tokens[1].type)
    meant = nearest(s.tokens[0], words) if words else None
    if meant is None or (s.tokens[1].type == "NAME" and len(s.tokens) == 2):
        return None
    replacement = [retyped(s.tokens[0], "NAME", meant), *s.tokens[1:]]
    message = f"`{shorten(s.tokens[0])}` does not start a statement"
    return s.error(message, f"did you mean `{meant}`?", s.tokens[:1], replacement=[replacement])


def _import_of_javascript(s: UnknownStatement) -> DialectHint | None:
    """`import { f, g } from "other.dl"`, `import * from "other.dl"`."""
    at = next((i for i, t in enumerate(s.tokens) if t == "from"), 0)
    path = s.text(s.tokens[at + 1 :])
    if not at or not path:
        return None
    if s.tokens[1].type == "STAR":
        return s.error(
            "an import lists the imported names", f"name them: `import f, g from {path}`", s.tokens
        )
    listed = s.source.text[s.tokens[1].end_pos : s.tokens[at - 1].start_pos].strip()
    return s.error("an import has no braces", f"write `import {listed} from {path}`", s.tokens)


def template(s: UnknownStatement) -> DialectHint | None:
    """`def f(x, n=3):`, `function f(x) {`, `class Net(nn.Module):`, `model {`."""
    word = TEMPLATES.get(str(s.tokens[0]), "")
    if word == "net" and s.types("NAME", "LBRACE"):
        return s.error(f"`{s.tokens[0]}` does not start a statement", LAYERS, s.tokens[:1])
    if not word or s.tokens[0].type != "NAME" or len(s.tokens) < 2 or s.tokens[1].type != "NAME":
        return None
    name = s.tokens[1]
    if name == "def" and len(s.tokens) > 2:  # async def f
        name = s.tokens[2]
    opener = next((i for i, t in enumerate(s.tokens) if t.type == "LPAR"), 0)
    inside = s.tokens[opener + 1 : closing_index(s.tokens, opener)] if opener and word == "block" else []
    tensors, settings = [], []
    body = _body_of_python(s)
    for part in split(inside):
        value = next((i for i, t in enumerate(part) if t.type == "EQUAL"), 0)
        if part[0].type == "NAME" and part[0] not in ("self", "cls"):
            number = body and tensors and not flows(body, part[0])
            kept = settings if value or number else tensors
            kept.append(f"{part[0]} = {s.text(part[value + 1 :])}" if value else str(part[0]))
    head = "; ".join(", ".join(group) for group in (tensors or ["x"], settings) if group)
    written = f"{word} {name}({head}) {{ return ... }}"
    plain = all(t.type in ("NAME", "COMMA") for t in inside)
    if s.tokens[-1].type == "RBRACE" and opener == 2 and plain and str(s.tokens[0]) != "class":
        replacement = [retyped(s.tokens[0], "NAME", word), *s.tokens[1:]]
        return s.error(
            f"`{s.tokens[0]}` does not start a statement",
            f"write `{word}`",
            s.tokens[:1],
            replacement=[replacement],
        )
    what = "a network" if word == "net" else "a template"
    message = f"`{s.tokens[0]}` does not start a statement"
    return s.error(message, f"{what} is declared `{written}`", s.tokens[:1])


def _body_of_python(s: UnknownStatement) -> str:
    """The indented lines after a statement that ends in `:`."""
    last = s.tokens[-1]
    if last.type != "COLON":
        return ""
    following = s.source.text[last.end_pos : last.end_pos + MAX_SEARCHED].split("\n")[1:]
    margin = " " * s.tokens[0].column
    return "\n".join(takewhile(lambda line: not line.strip() or line.startswith(margin), following))


def word_before_binding(s: UnknownStatement) -> DialectHint | None:
    """`let x = 3`, `float x = 3`, `var x`, `new Dense(3)`."""
    words = 0
    while words < len(s.tokens) and s.tokens[words].type == "NAME" and str(s.tokens[words]) in BINDERS:
        words += 1
    rest = s.tokens[words:]
    if words and len(rest) > 1 and rest[0].type == "NAME" and rest[1].type == "EQUAL":
        return s.error(
            "a binding is written `name = value`", "leave it out", s.tokens[:words], replacement=[rest]
        )
    if words and rest and rest[0].type == "NAME":
        message = f"`{s.tokens[0]}` does not start a statement"
        return s.error(message, f"a value is given with `=`: `{shorten(rest[0])} = 3`", s.tokens[:1])
    for i, (a, b) in enumerate(pairwise(s.tokens)):
        if a == "new" and a.type == b.type == "NAME":
            return s.error(
                "there is no `new`",
                "leave it out",
                [a],
                replacement=[[*s.tokens[:i], *s.tokens[i + 1 :]]],
            )
    return None


def lambda_(s: UnknownStatement) -> DialectHint | None:
    """`act = lambda t: relu(t)`."""
    at = next((i for i, t in enumerate(s.tokens) if t == "lambda" and t.type == "NAME"), None)
    if at is None:
        return None
    message = "there is no `lambda`: a stage is a value itself, and a block has named tensors"
    colon = next((i for i in range(at, len(s.tokens)) if s.tokens[i].type == "COLON"), 0)
    taken, body = s.tokens[at + 1 : colon], s.tokens[colon + 1 :]
    named = s.types("NAME", "EQUAL") and at == 2
    if not colon or not body or not named:
        return s.error(message, "declare `block f(x) { return ... }`, and use its name, `f`", [s.tokens[at]])
    single = len(taken) == 1 and [str(t) for t in body[1:]] == ["(", str(taken[0]), ")"]
    if single and body[0].type == "NAME":
        return s.error(
            message, f"write `{s.tokens[0]} = {body[0]}`", s.tokens, replacement=[[*s.tokens[:2], body[0]]]
        )
    return s.error(
        message, f"write `block {s.tokens[0]}({s.text(taken)}) {{ return {s.text(body)} }}`", s.tokens
    )


def decorator(s: UnknownStatement) -> DialectHint | None:
    """`@jit`."""
    for i, token in enumerate(s.tokens[:-1]):
        if (
            token.type == "AT"
            and (i == 0 or s.tokens[i - 1].line < token.line)
            and adjacent(token, s.tokens[i + 1])
        ):
            return s.error(
                "there are no decorators",
                "leave it out",
                s.tokens[i:],
                replacement=[s.tokens[:i]] if i else [],
            )
    return None


def comprehension(s: UnknownStatement) -> DialectHint | None:
    """`[i for i in range(3)]`."""
    for i, token, level in levels(s.tokens):
        if token.type == "FOR" and level and i > 1:
            return s.error(
                "there are no list comprehensions",
                "begin with `l = []`, and in the body of a `for` write `l = l + [...]`",
                [token],
            )
    return None


def starred(s: UnknownStatement) -> DialectHint | None:
    """`f(*pair)`, `f(**settings)`; in the head of a block `*args`, `**kwargs`."""
    of_block = s.tokens[0].type in ("BLOCK", "NET")
    for i, (a, b) in enumerate(pairwise(s.tokens)):
        if b.type not in ("STAR", "POWER") or a.type not in ("LPAR", "COMMA", "SEMICOLON"):
            continue
        if of_block:
            return s.error("a block has a name for every tensor and every setting",
                           "name them: `block f(x, y; n = 1) { ... }`", s.tokens[i + 1 : i + 3])  # fmt: skip
        if b.type == "STAR":
            replacement = [*s.tokens[: i + 1], *s.tokens[i + 2 :]]
            return s.error(
                "a tuple is passed as several tensors without `*`",
                "leave it out",
                [b],
                replacement=[replacement],
            )
        return s.error("there is no `**` in a call", "write each setting as `name=value`", [b])
    return None
