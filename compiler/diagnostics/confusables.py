"""Characters and symbols of other alphabets, languages and word processors, and their equivalents."""

# ruff: noqa: RUF001, RUF002

from __future__ import annotations

import re

# Letters of other alphabets that look like Latin ones.
LETTERS = {
    "аɑα": "a", "сϲ": "c", "ԁ": "d", "еҽ": "e", "ɡցց": "g", "һհ": "h", "іıιɩ": "i", "јϳ": "j", "кκ": "k",
    "ӏ": "l", "м": "m", "ոη": "n", "оοօ": "o", "рρ": "p", "ԛզ": "q", "ѕ": "s", "тτ": "t", "υսʋ": "u",
    "νѵ": "v", "ѡԝω": "w", "хχ": "x", "уүγ": "y", "ᴢ": "z",
    "АΑ": "A", "ВΒ": "B", "СϹ": "C", "ЕΕ": "E", "НΗ": "H", "ІӀΙ": "I", "Ј": "J", "КΚ": "K", "МΜ": "M",
    "Ν": "N", "ОΟ": "O", "РΡ": "P", "Ԛ": "Q", "Ѕ": "S", "ТΤ": "T", "Ԝ": "W", "ХΧ": "X", "ҮΥУ": "Y", "Ζ": "Z",
}  # fmt: skip
LATIN = str.maketrans({other: latin for others, latin in LETTERS.items() for other in others})

# Symbols of other languages and word processors, and their equivalents.
SYMBOLS = {
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


def equivalent(symbol: str) -> tuple[str, str] | None:
    """The equivalent of a foreign symbol and the type of its token; None if there is none."""
    plain = SYMBOLS.get(symbol)
    if plain is None and len(symbol) > 1 and symbol.endswith(">"):  # another form of an arrow
        plain = "->"
    if plain is None and not symbol.isascii():
        plain = compatible(symbol)
    return (plain, _TYPES[plain]) if plain in _TYPES else None


def compatible(text: str) -> str:
    """The text in Unicode normal form NFKC: full-width letters and the like become plain ones."""
    from unicodedata import normalize

    return normalize("NFKC", text)


def to_latin(word: str) -> str:
    """The word without accents, and with Latin letters in place of those that look like them."""
    if word.isascii():
        return word
    from unicodedata import combining, normalize

    apart = normalize("NFKD", word.translate(LATIN))
    return "".join(c for c in apart if not combining(c)).translate(LATIN)


def named(character: str) -> str:
    """The character and its Unicode name: `е` (CYRILLIC SMALL LETTER IE). An invisible one: the name only."""
    from unicodedata import combining, name

    title = name(character, f"U+{ord(character):04X}")
    visible = character.isprintable() and not combining(character)
    return f"{quote_character(character)} ({title})" if visible else title


def non_ascii_letters(word: str) -> str:
    """The letters of a word that are not ASCII: "`е` (CYRILLIC SMALL LETTER IE)"."""
    letters = [named(c) for c in dict.fromkeys(word) if not c.isascii()]
    return " and ".join(letters[:2]) + ", ..." * (len(letters) > 2)


def is_space(character: str) -> bool:
    """Whether it is a space of Unicode or HTML. The lexer skips plain spaces before."""
    return character.isspace() or character == "&nbsp;"


def is_unseen(character: str) -> bool:
    """Whether it is invisible, such as a zero-width space, or in private use."""
    from unicodedata import category

    return category(character) in ("Cf", "Cc", "Co")


def quote_character(character: str) -> str:
    return f"`{character}`" if character.isprintable() and character != "`" else f"U+{ord(character):04X}"


def character_help(character: str) -> str:
    """The help for a character that the language does not have; empty if there is none."""
    if character in "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb`":
        return 'strings are written in plain double quotes: `"`'
    if character == "?":
        return "a choice is written `a if condition else b`"
    if character == "\\":
        return "a line continues after an operator, a comma or an open bracket, without a backslash"
    if not character.isascii() and (plain := compatible(character)).isascii():
        return f"write `{plain}`"
    return ""


def corrected_number(text: str) -> str:
    """The likely number for a malformed one; empty if it is not clear."""
    if re.fullmatch("0[xXbBoO][0-9a-fA-F]{1,15}", text):
        return to_decimal(text)
    if thousands := re.fullmatch("([1-9][0-9]{0,5})([kKM])", text):
        return thousands[1] + ("_000" if thousands[2] in "kK" else "_000_000")
    for digits in (text, text[:-1] if text[-1] in "fFlLdDuU" else text) if len(text) <= 40 else ():
        found = f"{'0' * digits.startswith('.')}{digits}{'0' * digits.endswith('.')}"
        if _NUMBER.fullmatch(found):
            return found
    return ""


def number_help(text: str) -> str:
    if plain := corrected_number(text):
        return f"write `{plain}`"
    if re.fullmatch("[0-9]+(?![eE][0-9]*$)[^\\W\\d]\\w*", text):
        return "a name does not begin with a digit"
    return "numbers are written like `3`, `61_706`, `0.5`, `1e-3`"


def to_decimal(text: str) -> str:
    """An integer with a prefix such as `0xff`, in decimal."""
    try:
        return str(int(text, 0))
    except ValueError:
        return ""
