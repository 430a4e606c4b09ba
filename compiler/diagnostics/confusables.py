"""Characters that look like those of the language: which they are, and what is meant by them."""

# ruff: noqa: RUF001, RUF002

from __future__ import annotations

import re

# Letters of other alphabets that are drawn like a Latin one.
LETTERS = {
    "аɑα": "a", "сϲ": "c", "ԁ": "d", "еҽ": "e", "ɡցց": "g", "һհ": "h", "іıιɩ": "i", "јϳ": "j", "кκ": "k",
    "ӏ": "l", "м": "m", "ոη": "n", "оοօ": "o", "рρ": "p", "ԛզ": "q", "ѕ": "s", "тτ": "t", "υսʋ": "u",
    "νѵ": "v", "ѡԝω": "w", "хχ": "x", "уүγ": "y", "ᴢ": "z",
    "АΑ": "A", "ВΒ": "B", "СϹ": "C", "ЕΕ": "E", "НΗ": "H", "ІӀΙ": "I", "Ј": "J", "КΚ": "K", "МΜ": "M",
    "Ν": "N", "ОΟ": "O", "РΡ": "P", "Ԛ": "Q", "Ѕ": "S", "ТΤ": "T", "Ԝ": "W", "ХΧ": "X", "ҮΥУ": "Y", "Ζ": "Z",
}  # fmt: skip
LATIN = str.maketrans({other: latin for others, latin in LETTERS.items() for other in others})

# What other languages and text processors write, and the sign that is meant.
SIGNS = {
    **dict.fromkeys("→⟶⇒⟹➔➜➝➞⇾↦", "->"), "|>": "->", ">>": "->", "->>": "->", "%>%": "->",
    "&&": "and", "&": "and", "||": "or", "!": "not", "~": "not", "¬": "not", "∧": "and", "∨": "or",
    "===": "==", "!==": "!=", "<>": "!=", "≠": "!=", "≤": "<=", "≥": ">=", ":=": "=",
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"), **dict.fromkeys("×·∙⋅✕∗", "*"),
    "÷": "/", "∕": "/", "⁄": "/", "^": "**", "…": "...",
    "&gt;": ">", "&lt;": "<", "&gt;=": ">=", "&lt;=": "<=", **dict.fromkeys(("-&gt;", "=&gt;"), "->"),
    **dict.fromkeys(("&amp;", "&amp;&amp;"), "and"),
}  # fmt: skip
_TYPES = {
    "->": "ARROW", "and": "AND", "or": "OR", "not": "NOT", "=": "EQUAL", "-": "MINUS", "+": "PLUS",
    "*": "STAR", "/": "SLASH", "//": "FLOOR", "%": "PERCENT", "@": "AT", "**": "POWER", "(": "LPAR",
    ")": "RPAR", "[": "LSQB", "]": "RSQB", "{": "LBRACE", "}": "RBRACE", ",": "COMMA", ";": "SEMICOLON",
    ":": "COLON", ".": "DOT", "...": "ELLIPSIS",
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), "COMPARE"),
}  # fmt: skip

_NUMBER = re.compile(r"[0-9]+(_[0-9]+)*(\.[0-9]+(_[0-9]+)*)?([eE][+-]?[0-9]+)?")


def meant(sign: str) -> tuple[str, str] | None:
    """The sign of the language that is meant by another, and the type of its token."""
    plain = SIGNS.get(sign)
    if plain is None and len(sign) > 1 and sign.endswith(">"):  # an arrow with another shaft
        plain = "->"
    if plain is None and not sign.isascii():
        plain = compatible(sign)
    return (plain, _TYPES[plain]) if plain in _TYPES else None


def compatible(text: str) -> str:
    """The text with its compatibility characters, as full-width letters, replaced by plain ones."""
    from unicodedata import normalize

    return normalize("NFKC", text)


def latin(word: str) -> str:
    """The word with all letters that look like plain Latin ones replaced by them, and without accents."""
    if word.isascii():
        return word
    from unicodedata import combining, normalize

    apart = normalize("NFKD", word.translate(LATIN))
    return "".join(c for c in apart if not combining(c)).translate(LATIN)


def named(character: str) -> str:
    """`е` (CYRILLIC SMALL LETTER IE); of what shows nothing by itself the name alone."""
    from unicodedata import combining, name

    call = name(character, f"U+{ord(character):04X}")
    return call if combining(character) or not character.isprintable() else f"{shown(character)} ({call})"


def foreign_letters(word: str) -> str:
    """Which letters of a word are no plain Latin ones: "`е` (CYRILLIC SMALL LETTER IE)"."""
    letters = [named(c) for c in dict.fromkeys(word) if not c.isascii()]
    return " and ".join(letters[:2]) + ", ..." * (len(letters) > 2)


def is_space(character: str) -> bool:
    """Whether it is blank, and none of the spaces of the language."""
    return character.isspace() or character == "&nbsp;"


def is_unseen(character: str) -> bool:
    """Whether it shows nothing at all, as a zero-width space, or nothing that is known."""
    from unicodedata import category

    return category(character) in ("Cf", "Cc", "Co")


def shown(character: str) -> str:
    return f"`{character}`" if character.isprintable() and character != "`" else f"U+{ord(character):04X}"


def character_help(character: str) -> str:
    """What to do about a character that stands for nothing."""
    if character in "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb`":
        return 'strings stand in plain double quotes: `"`'
    if character == "?":
        return "a choice is written `a if condition else b`"
    if character == "\\":
        return "a line goes on behind an operator, a comma or an open bracket, and without a sign for it"
    if not character.isascii() and (plain := compatible(character)).isascii():
        return f"write `{plain}`"
    return ""


def number(text: str) -> str:
    """The number that is meant by what begins like one and is none; empty if that cannot be told."""
    if re.fullmatch("0[xXbBoO][0-9a-fA-F]{1,15}", text):
        return in_tens(text)
    if thousands := re.fullmatch("([1-9][0-9]{0,5})([kKM])", text):
        return thousands[1] + ("_000" if thousands[2] in "kK" else "_000_000")
    for digits in (text, text[:-1] if text[-1] in "fFlLdDuU" else text) if len(text) <= 40 else ():
        found = f"{'0' * digits.startswith('.')}{digits}{'0' * digits.endswith('.')}"
        if _NUMBER.fullmatch(found):
            return found
    return ""


def number_help(text: str) -> str:
    if plain := number(text):
        return f"write `{plain}`"
    if re.fullmatch("[0-9]+(?![eE][0-9]*$)[^\\W\\d]\\w*", text):
        return "a name does not begin with a digit"
    return "numbers are written like `3`, `61_706`, `0.5`, `1e-3`"


def in_tens(text: str) -> str:
    """A whole number that is written as `0xff`, in tens."""
    try:
        return str(int(text, 0))
    except ValueError:
        return ""
