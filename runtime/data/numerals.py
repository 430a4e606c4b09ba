"""Cells that are nearly numbers: what they are, and how the same is written as a number."""

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
GAPS = " \u00a0\u2009\u202f'\u2019_"  # that stand between thousands, beside points and commas
MINUS = "\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d"  # that look like the sign of a number
QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
ABOUT = "<>\u2264\u2265~\u2248"
CURRENCY = "[$\u00a2-\u00a5\u20a0-\u20bf]"
DAY = r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})"
CLOCK = r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*([aApP][mM]|Z|[+-]\d{2}:?\d{2})?"
EPOCH = date(1970, 1, 1)
# Words that stand where nothing is known, in small letters.
MARKS = {
    "", "-", "--", "---", "?", "??", "???", ".", "..", "...", "*", "\\n",
    *("na", "n/a", "#n/a", "#na", "<na>", "n.a.", "n.d."),
    *("null", "none", "nil", "(null)", "(none)", "<null>"),
    *("missing", "unknown", "undefined", "nan", "-nan", "#null!", "empty", "blank"),
}  # fmt: skip
ERRORS = ("#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#SPILL!", "#CALC!")
AS_EMPTY = "if it stands for a missing value, leave the cell empty"
NONE_MISSING = "the model takes no missing values: write the number, or take the row out"
PAIRS = {word: pair for pair in (("no", "yes"), ("n", "y"), ("off", "on"), ("f", "t")) for word in pair}
TRUTHS = ("true", "false")


def help_for(
    text: str, marks: Sequence[str] | None, *, in_spec: bool, lacks: bool, words: bool = False
) -> str:
    """What to do about a cell that is no number. `marks` are the texts that stand for a missing value, none
    where a source has no such setting; `lacks` says that a value may be missing, `words` that no cell of the
    column is a number. Without a spec to change, it is the rows that have to."""
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
    found = next((said for look in LOOKS if (said := look(text))), "")
    if found or not in_spec:
        return found or "the model takes a number here, as the rows had that it was trained on"
    as_class = "a column of words is a class: `class(auto)`"
    return as_class if words or len(text) >= 20 else f"{missing_help([text], marks)}; {as_class}"


def missing_help(texts: Sequence[str], marks: Sequence[str] | None) -> str:
    """What to do about texts that may stand for missing values."""
    stand = "it stands for a missing value" if len(texts) == 1 else "they stand for missing values"
    if marks is None:
        it = "it" if len(texts) == 1 else "them"
        return f"if {stand}, make {it} NaN or null where the rows come from"
    said = list(dict.fromkeys([*marks, *texts]))
    return f"if {stand}, say so: csv(..., missing={spell_text(said if len(said) > 1 else said[0])})"


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


# --- looks, each what a text is and what to write, or nothing ---------------------------------------------


def unseen(text: str) -> str:
    odd = next((sign for sign in text if is_unseen(sign)), "")
    if not odd or not written(text.replace(odd, "")):
        return ""
    return f"it holds {named(odd)}, which is not seen: write {text.replace(odd, '')}"


def of_another_script(text: str) -> str:
    odd = next((sign for sign in text if sign.isdigit() and not sign.isascii()), "")
    plain = "".join(str(unicodedata.digit(sign)) if sign.isdigit() else sign for sign in text)
    return f"it holds {named(odd)}: write {plain}" if odd and is_decimal(plain) else ""


def other_minus(text: str) -> str:
    if text[:1] in (*MINUS,) and (number := written(text[1:])):
        return f"its sign is {named(text[0])}: write -{number}, with a hyphen"
    if re.fullmatch(r"\(.+\)", text) and (number := written(text[1:-1])):
        return f"brackets stand for a minus in bookkeeping: write -{number}"
    return ""


def quoted(text: str) -> str:
    inside = text.strip(QUOTES)
    return f"quotes stand within the cell: write {inside}" if inside != text and is_decimal(inside) else ""


def separated(text: str) -> str:
    """Commas, points and gaps between digits."""
    if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", text):
        one, other = text.replace(",", ""), text.replace(",", ".")
        return f"its comma is one of thousands or of decimals: write {one} or {other}, whichever is meant"
    if re.fullmatch(r"[+-]?\d*,\d+([eE][+-]?\d+)?", text):
        return f"it has a decimal comma: write {text.replace(',', '.')}, with a point"
    number = written(text)
    if number is None or number == text:
        return ""
    sign = next(sign for sign in text if sign in f",.{GAPS}")
    return f"{'a space' if sign.isspace() else f'`{sign}`'} stands between its thousands: write {number}"


def share(text: str) -> str:
    number = written(text[:-1].strip()) if text.endswith(("%", "\u2030")) else None
    return f"it is a percentage: write {number}, and so in every row" if number else ""


def money(text: str) -> str:
    found = re.fullmatch(rf"([+-]?)(?:{CURRENCY}|[A-Z]{{3}})\s*(.+)|(.+?)\s*{CURRENCY}", text)
    number = written((found[1] or "") + found[2] if found[2] else found[3]) if found else None
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


def moment(text: str) -> str:
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


def several(text: str) -> str:
    inside = text.strip("[]() ") if text[:1] in ("[", "(") else text
    parts = re.split(r"[\s,;|]+", inside)
    if len(parts) > 1 and all(map(is_decimal, parts)):
        return f'it is {len(parts)} numbers in one cell: give each a column: columns("...", "...")'
    return "it is a version or an address, and no number" if re.fullmatch(r"\d+(\.\d+){2,}", text) else ""


def inexact(text: str) -> str:
    if text[:1] in ABOUT and written(text.lstrip(f"{ABOUT}= ")):
        return f"`{text[0]}` stands before it: write the one number that is meant"
    found = re.fullmatch(r"(\S+?)\s*(?:-|\u2013|\u2014|to|\.\.)\s*(\S+)", text)
    if found and is_decimal(found[1]) and is_decimal(found[2]):
        middle = (float(found[1]) + float(found[2])) / 2
        return f"it is a range: write one number, such as its middle, {middle:g}"
    return ""


def misread(text: str) -> str:
    plain = text.translate(str.maketrans("OoIl", "0011"))
    letter = next((sign for sign in text if sign in "OoIl"), "")
    if letter and any(map(str.isdigit, text)) and is_decimal(plain):
        return f"`{letter}` is a letter, and a digit is meant: write {plain}"
    return ""


def measured(text: str) -> str:
    found = re.fullmatch(rf"([+-]?[\d.,{GAPS}]*\d)\s*([^\W\d_]\D{{0,11}}|\u00b0\D{{0,2}})", text)
    if not found or not (number := written(found[1])):
        return ""
    return f"`{found[2]}` stands behind it: write {number}, in the same unit in every row"


LOOKS = (unseen, of_another_script, other_minus, quoted, separated, share, money, other_notation, moment,
         several, inexact, misread, measured)  # fmt: skip


# --- what they share --------------------------------------------------------------------------------------


def written(text: str) -> str | None:
    """A number with commas, points or gaps between its digits as it is written here; none if it is none."""
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
    """Whether a text is a number as a csv file has them."""
    return NUMBER.fullmatch(text) is not None
