"""Cells that are almost numbers: why they do not parse, and how to write them as numbers."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.confusables import is_unseen, named
from dlc.compiler.format.printer import spell_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
GAPS = " \u00a0\u2009\u202f'\u2019_"  # thousands separators other than point and comma
MINUS = "\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d"  # characters that look like a minus
QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
ABOUT = "<>\u2264\u2265~\u2248"
CURRENCY = "[$\u00a2-\u00a5\u20a0-\u20bf]"
DAY = r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})"
CLOCK = r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*([aApP][mM]|Z|[+-]\d{2}:?\d{2})?"
EPOCH = date(1970, 1, 1)
# Marks of missing values, in lower case.
MARKS = {
    "", "-", "--", "---", "?", "??", "???", ".", "..", "...", "*", "\\n",
    *("na", "n/a", "#n/a", "#na", "<na>", "n.a.", "n.d."),
    *("null", "none", "nil", "(null)", "(none)", "<null>"),
    *("missing", "unknown", "undefined", "nan", "-nan", "#null!", "empty", "blank"),
}  # fmt: skip
ERRORS = ("#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#SPILL!", "#CALC!")
AS_EMPTY = "if it stands for a missing value, leave the cell empty"
NONE_MISSING = "the model takes no missing values: write the number, or remove the row"
PAIRS = {word: pair for pair in (("no", "yes"), ("n", "y"), ("off", "on"), ("f", "t")) for word in pair}
TRUTHS = ("true", "false")


def help_for(
    text: str, marks: Sequence[str] | None, *, in_spec: bool, lacks: bool, words: bool = False
) -> str:
    """The fix for a cell that is not a number. `marks` are the declared marks of missing values, None if the
    source has no such setting. `lacks` says that a value may be missing, `words` that no cell of the column
    is a number. If `in_spec` is false, there is no spec to change, and the fix is a change of the data."""
    if text.lower() in MARKS and not in_spec:
        return AS_EMPTY if lacks else NONE_MISSING
    if text.lower() in MARKS:
        return missing_help([text], marks)
    if text.upper() in ERRORS:
        return "a spreadsheet leaves this where a formula fails: fix the formula, or leave the cell empty"
    if re.fullmatch("#{2,}", text):
        return (
            "a spreadsheet shows this where its column is too narrow: widen the column there, and save anew"
        )
    if text.lower() in TRUTHS or text.lower() in PAIRS:
        return yes_or_no(text, in_spec=in_spec)
    found = next((fix for check in CHECKS if (fix := check(text))), "")
    if found or not in_spec:
        return found or "the model takes a number here, as the rows had that it was trained on"
    as_class = "a column of words is a class: `class(auto)`"
    return as_class if words or len(text) >= 20 else f"{missing_help([text], marks)}; {as_class}"


def missing_help(texts: Sequence[str], marks: Sequence[str] | None) -> str:
    """The fix for texts that may be marks of missing values."""
    stand = "it stands for a missing value" if len(texts) == 1 else "they stand for missing values"
    if marks is None:
        it = "it" if len(texts) == 1 else "them"
        return f"if {stand}, make {it} NaN or null where the rows come from"
    markers = list(dict.fromkeys([*marks, *texts]))
    return f"if {stand}, say so: csv(..., missing={spell_text(markers if len(markers) > 1 else markers[0])})"


def yes_or_no(text: str, *, in_spec: bool) -> str:
    if not in_spec:
        return "the model takes a number here: write 1 or 0, as the rows had that it was trained on"
    if text.lower() in TRUTHS:
        return "it is true or false: an input declares that as `bool`, an output as `binary`"
    style: Callable[[str], str] = (
        str.lower if text.islower() else str.upper if text.isupper() else str.capitalize
    )
    no, yes = map(style, PAIRS[text.lower()])
    return f'it is a yes or a no: declare it as `binary("{no}", "{yes}")`'


# --- checks: each describes a text and its fix, or is empty -----------------------------------------------


def invisible(text: str) -> str:
    odd = next((sign for sign in text if is_unseen(sign)), "")
    if not odd or not normalized(text.replace(odd, "")):
        return ""
    return f"it holds {named(odd)}, which is invisible: write {text.replace(odd, '')}"


def foreign_digits(text: str) -> str:
    odd = next((sign for sign in text if sign.isdigit() and not sign.isascii()), "")
    plain = "".join(str(unicodedata.digit(sign)) if sign.isdigit() else sign for sign in text)
    return f"it holds {named(odd)}: write {plain}" if odd and is_decimal(plain) else ""


def minus_sign(text: str) -> str:
    if text[:1] in (*MINUS,) and (number := normalized(text[1:])):
        return f"its sign is {named(text[0])}: write -{number}, with a hyphen"
    if re.fullmatch(r"\(.+\)", text) and (number := normalized(text[1:-1])):
        return f"parentheses mean a minus in accounting: write -{number}"
    return ""


def quoted(text: str) -> str:
    inside = text.strip(QUOTES)
    return f"the cell contains quotes: write {inside}" if inside != text and is_decimal(inside) else ""


def separators(text: str) -> str:
    """Commas, points and spaces between digits."""
    if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", text):
        one, other = text.replace(",", ""), text.replace(",", ".")
        return f"its comma separates thousands or decimals: write {one} or {other}, whichever is meant"
    if re.fullmatch(r"[+-]?\d*,\d+([eE][+-]?\d+)?", text):
        return f"it has a decimal comma: write {text.replace(',', '.')}, with a point"
    number = normalized(text)
    if number is None or number == text:
        return ""
    sign = next(sign for sign in text if sign in f",.{GAPS}")
    return f"{'a space' if sign.isspace() else f'`{sign}`'} separates its thousands: write {number}"


def percentage(text: str) -> str:
    number = normalized(text[:-1].strip()) if text.endswith(("%", "\u2030")) else None
    return f"it is a percentage: write {number}, and so in every row" if number else ""


def currency(text: str) -> str:
    found = re.fullmatch(rf"([+-]?)(?:{CURRENCY}|[A-Z]{{3}})\s*(.+)|(.+?)\s*{CURRENCY}", text)
    number = normalized((found[1] or "") + found[2] if found[2] else found[3]) if found else None
    return f"it is an amount with its currency: write {number}" if number else ""


def other_notation(text: str) -> str:
    if found := re.fullmatch(r"([+-]?)0([xX][\da-fA-F]+|[bB][01]+|[oO][0-7]+)", text):
        return f"it is not written in decimal digits: write {found[1]}{int(f'0{found[2]}', 0)}"
    if re.fullmatch(r"[+-]?\d+\.?\d*[dD][+-]?\d+", text):
        return f"its exponent is written as in Fortran: write {re.sub('[dD]', 'e', text)}"
    if found := re.fullmatch(r"([+-]?\d+)/([1-9]\d*)", text):
        return f"it is a fraction: write {int(found[1]) / int(found[2]):.6g}"
    if len(text) == 1 and (value := unicodedata.numeric(text, None)) is not None:
        return f"it is {named(text)}: write {value:.6g}"
    return ""


def date_or_time(text: str) -> str:
    if re.fullmatch(CLOCK, text):
        return "it is a time: write it as a number, such as hours (12.5 for 12:30) or seconds"
    found = re.fullmatch(rf"{DAY}([T ]\s*{CLOCK})?", text)
    if not found:
        return ""
    if found[2]:
        return "it is a date and a time: write it as a number, such as seconds since 1970-01-01"
    try:
        days = f" ({(date.fromisoformat(text) - EPOCH).days})"
    except ValueError:
        days = ""
    return f"it is a date: write it as a number, such as days since 1970-01-01{days}"


def several_numbers(text: str) -> str:
    inside = text.strip("[]() ") if text[:1] in ("[", "(") else text
    parts = re.split(r"[\s,;|]+", inside)
    if len(parts) > 1 and all(map(is_decimal, parts)):
        return f'it is {len(parts)} numbers in one cell: give each a column: columns("...", "...")'
    return "it is a version or an address, not a number" if re.fullmatch(r"\d+(\.\d+){2,}", text) else ""


def inexact(text: str) -> str:
    if text[:1] in ABOUT and normalized(text.lstrip(f"{ABOUT}= ")):
        return f"`{text[0]}` stands before it: write the one number that is meant"
    found = re.fullmatch(r"(\S+?)\s*(?:-|\u2013|\u2014|to|\.\.)\s*(\S+)", text)
    if found and is_decimal(found[1]) and is_decimal(found[2]):
        middle = (float(found[1]) + float(found[2])) / 2
        return f"it is a range: write one number, such as its middle, {middle:g}"
    return ""


def confused_letters(text: str) -> str:
    plain = text.translate(str.maketrans("OoIl", "0011"))
    letter = next((sign for sign in text if sign in "OoIl"), "")
    if letter and any(map(str.isdigit, text)) and is_decimal(plain):
        return f"`{letter}` is a letter, and a digit is meant: write {plain}"
    return ""


def with_unit(text: str) -> str:
    found = re.fullmatch(rf"([+-]?[\d.,{GAPS}]*\d)\s*([^\W\d_]\D{{0,11}}|\u00b0\D{{0,2}})", text)
    if not found or not (number := normalized(found[1])):
        return ""
    return f"`{found[2]}` follows it: write {number}, in the same unit in every row"


CHECKS = (invisible, foreign_digits, minus_sign, quoted, separators, percentage, currency, other_notation,
          date_or_time, several_numbers, inexact, confused_letters, with_unit)  # fmt: skip


# --- number syntax ----------------------------------------------------------------------------------------


def normalized(text: str) -> str | None:
    """A number with thousands separators or a decimal comma, in plain decimal syntax; None for others."""
    text = text.strip()
    if is_decimal(text):
        return text
    if re.fullmatch(r"[+-]?\d+,\d+", text) and not re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", text):
        return text.replace(",", ".")
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{2,3})*,\d{3}(\.\d+)?", text):
        return text.replace(",", "")
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?", text):
        return text.replace(".", "").replace(",", ".")
    if re.fullmatch(rf"[+-]?\d{{1,3}}([{GAPS}]\d{{3}})+([.,]\d+)?", text):
        return re.sub(f"[{GAPS}]", "", text).replace(",", ".")
    return None


def is_decimal(text: str) -> bool:
    """Whether a text is a number in the syntax of csv files."""
    return NUMBER.fullmatch(text) is not None
