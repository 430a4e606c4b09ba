"""Sections and settings in the syntax of other languages."""

from __future__ import annotations

from itertools import pairwise

from dlc.compiler.parse.dialects.heads import listed
from dlc.compiler.parse.dialects.statement import VALUES, DialectHint, UnknownStatement, levels, split
from dlc.compiler.parse.tokens import DECLARATIONS, SECTIONS, retyped


def with_colons(s: UnknownStatement) -> DialectHint | None:
    """`epochs: 3`, also several separated by commas."""
    colons = [i for i, t, level in levels(s.tokens) if t.type == "COLON" and level == 0]
    if not s.section or 1 not in colons or not s.types("NAME", "COLON") or s.tokens[2:3] == []:
        return None
    if s.tokens[2].type == "LBRACE" or s.tokens[2].line > s.tokens[1].line:
        return None
    named = [i for i in colons if s.tokens[i - 1].type == "NAME" and s.tokens[i - 2].type == "COMMA"]
    named = [1, *(i for i in named if i > 1)]
    replacement = [retyped(t, "EQUAL", "=") if i in named else t for i, t in enumerate(s.tokens)]
    marks = ([s.tokens[i]] for i in named)
    return s.error("a value is given with `=`", "write `=`", *marks, replacement=[replacement])


def several_settings(s: UnknownStatement) -> DialectHint | None:
    """`epochs = 3, batch = 16`, also with a comma at the end of each line."""
    equal = next((i for i, t in enumerate(s.tokens) if t.type == "EQUAL"), len(s.tokens))
    cuts = [i for i, t, level in levels(s.tokens) if level == 0 and t.type == "COMMA" and i > equal
            and [b.type for b in s.tokens[i + 1 : i + 3]] in (["NAME", "EQUAL"], [])]  # fmt: skip
    if not cuts:
        return None
    parts = [s.tokens[a:b] for a, b in zip([0, *(i + 1 for i in cuts)], [*cuts, len(s.tokens)], strict=True)]
    parts = [part for part in parts if part]
    what = "setting" if s.section else "statement"
    if all(i + 1 == len(s.tokens) or s.tokens[i + 1].line > s.tokens[i].line for i in cuts):
        message = f"a {what} ends with its line, without a comma"
        return s.error(message, "leave it out", *([s.tokens[i]] for i in cuts), replacement=parts)
    return s.error(
        f"each {what} is written on its own line",
        "put a new line in place of the comma",
        *([s.tokens[i]] for i in cuts),
        replacement=parts,
    )


def section_with_colon(s: UnknownStatement) -> DialectHint | None:
    """`train:`, `train = {`."""
    word = str(s.tokens[0])
    if word not in SECTIONS or len(s.tokens) < 2 or s.tokens[1].type not in ("COLON", "EQUAL"):
        return None
    if s.tokens[1].type == "EQUAL" and (len(s.tokens) < 3 or s.tokens[2].type != "LBRACE"):
        return None
    replacement = (
        [[s.tokens[0], *s.tokens[2:]]] if len(s.tokens) > 2 and s.tokens[2].type == "LBRACE" else None
    )
    help = "leave it out" if replacement else f"write `{word} {{ ... }}`, with `name = value` in each line"
    return s.error(f"a section is written `{word} {{ ... }}`", help, [s.tokens[1]], replacement=replacement)


def without_equal(s: UnknownStatement) -> DialectHint | None:
    """`epochs 30`, `optimizer adam(lr=0.1)`."""
    if s.section not in ("data", "train", "export") or len(s.tokens) < 2 or s.tokens[0].type != "NAME":
        return None
    name, first = s.tokens[:2]
    level = [t for _, t, deep in levels(s.tokens[1:]) if deep == 0]
    if first.type not in (*VALUES, "LSQB") or first.line != name.line or str(name) in SECTIONS | DECLARATIONS:
        return None
    if any(t.type in ("EQUAL", "COLON", "ARROW", "LBRACE") for t in level):
        return None
    replacement = [name, retyped(first, "EQUAL", "="), *s.tokens[1:]]
    return s.error("a value is given with `=`", f"write `{name} = {s.text(s.tokens[1:])}`", s.tokens,
                   replacement=[replacement])  # fmt: skip


def listed_values(s: UnknownStatement) -> DialectHint | None:
    """`metrics = accuracy, f1`."""
    if not s.section or not s.types("NAME", "EQUAL", "NAME"):
        return None
    values = s.tokens[2:]
    outside = [t for _, t, level in levels(values) if level == 0]
    if len(split(values)) < 2 or values[-1].type == "COMMA" or any(t.type == "EQUAL" for t in outside):
        return None
    return s.error("several values are written as a list", f"write `[{s.text(values)}]`", values)


def beside_its_member(s: UnknownStatement) -> DialectHint | None:
    """`optimizer = adam lr=0.01`."""
    if not s.section or not s.types("NAME", "EQUAL", "NAME", "NAME", "EQUAL"):
        return None
    member, given = s.tokens[2], s.tokens[3:]
    if given[0].line != member.line:
        return None
    starts = [i for i, t in enumerate(given) if [b.type for b in given[i : i + 2]] == ["NAME", "EQUAL"]]
    parts = [split(given[a:b])[0] for a, b in pairwise([*starts, len(given)])]
    inside = [retyped(given[0], "LPAR", "("), *listed(parts, given[0]), retyped(given[-1], "RPAR", ")")]
    message = f"the settings of `{member}` are written in brackets"
    help = f"write `{member}({', '.join(map(s.text, parts))})`"
    return s.error(message, help, s.tokens[2:], replacement=[[*s.tokens[:3], *inside]])
