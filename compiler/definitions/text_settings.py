"""Parameter types of the settings that say how a text file is written."""

from __future__ import annotations

import codecs
from typing import Any

from dlc.compiler.definitions.parameter_types import Reject, Text, describe

# Encodings that a misspelled name may mean.
ENCODINGS = ("utf-8", "utf-16", "utf-32", "latin-1", "cp1252", "cp1250", "cp1251", "cp437", "cp850",
             "mac-roman", "shift-jis", "gb18030", "big5", "euc-jp", "euc-kr")  # fmt: skip


class Separator(Text):
    """The character between two cells."""

    def describe(self) -> str:
        return "one ASCII sign in quotes"

    def accept(self, value: Any) -> str:
        if value in ("\\t", "tab"):
            return "\t"
        if not isinstance(value, str) or len(value) != 1 or not value.isascii() or value.isalnum():
            raise self.mismatch(value)
        if value in '"\r\n' or (value != "\t" and not value.isprintable()):
            raise self.mismatch(value)
        return value


class DecimalSign(Text):
    """The sign between the whole part of a number and its fraction."""

    def describe(self) -> str:
        return '"." or ","'

    def accept(self, value: Any) -> str:
        if value not in (".", ","):
            raise self.mismatch(value)
        return value


class CommentSign(Text):
    """The beginning of a comment line."""

    def describe(self) -> str:
        return "a sign in quotes"

    def accept(self, value: Any) -> str:
        text = super().accept(value)
        if not text or text != text.strip() or not text.isprintable() or '"' in text:
            raise self.mismatch(value)
        return text


class Encoding(Text):
    """A text encoding that Python knows, under any of its names."""

    def describe(self) -> str:
        return 'the name of a text encoding in quotes, such as "cp1252"'

    def accept(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self.mismatch(value)
        if not is_text_encoding(value):
            from dlc.compiler.diagnostics.suggest import did_you_mean

            message = f"expected {self.describe()}, and Python has none that is called {describe(value)}"
            raise Reject(message, help=did_you_mean(value, ENCODINGS), code="E0403")
        return value


def is_text_encoding(name: str) -> bool:
    """Whether Python can decode bytes in this encoding to text; not for the encodings of host names."""
    try:
        return bool("a".encode(name)) and codecs.lookup(name).name not in ("idna", "punycode")
    except (LookupError, ValueError):
        return False


def is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
