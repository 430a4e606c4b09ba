"""Find bytes that are not UTF-8, and guess the encoding of the file."""

from __future__ import annotations

import itertools
import re

# Non-ASCII letters of cp1252, and symbols that occur alone or next to a word.
LETTERS, SIGNS = rb"\x8a\x8c\x8e\x9a\x9c\x9e-\x9f\xc0-\xd6\xd8-\xf6\xf8-\xff", rb"\x80\x85\x99\xa0-\xbf"
# A word with such a byte; \x91 to \x97 are quotes and dashes.
WORD = re.compile(rb"[A-Za-z\x80-\x90\x98-\xff]*[\x80-\x90\x98-\xff][A-Za-z\x80-\x90\x98-\xff]*")
# At most two such letters in a row among ASCII letters; a single one; or a symbol next to ASCII letters.
WESTERN = re.compile(
    rb"[\x82\x84]?[%b]{0,2}(?:[A-Za-z]++[%b]{0,2}+)++[%b]?|[%b]|[%b][A-Za-z]*"
    % (LETTERS, LETTERS, SIGNS, LETTERS, SIGNS)
)
WORDS = 1000  # maximum number of words to inspect
# Encodings and their use: for scripts that mix with ASCII letters, and for other scripts.
AMONG = {"cp850": "DOS", "macintosh": "old Macs", "cp1250": "Central Europe", "cp1254": "Turkish"}
OTHERS = {"shift_jis": "Japanese", "gb18030": "Chinese", "euckr": "Korean", "cp1251": "Cyrillic",
          "cp1253": "Greek"}  # fmt: skip


def no_utf8(data: bytes, *, in_spec: bool = False, line: int = 0) -> str:
    """The first byte that is not UTF-8, its likely encoding, and the fix, which is a setting of the source if
    it is `in_spec`; empty for valid UTF-8. `line` is the number of lines before the data."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return fix(data, error.start, in_spec, line)
    return ""


def fix(data: bytes, place: int, in_spec: bool, line: int = 0) -> str:
    byte = data[place : place + 1]
    where = f"line {line + line_of(data, place)} holds the byte 0x{byte.hex().upper()}"
    names = likely(data)
    if names == ["cp1252"]:
        which = "cp1252" if byte < b"\xa0" else "latin-1 and cp1252"
        letter = byte.decode("cp1252")
        return f'{where}, which is "{letter}" in {which}: {setting("cp1252", in_spec)}'
    known = [f"{name} ({(AMONG | OTHERS)[name]})" for name in names]
    which = f", such as {', '.join(known)}" if known else ""
    how = setting("..." if in_spec else "ENCODING", in_spec)
    return f"{where}: {how} with the encoding it was written in{which}"


def likely(data: bytes) -> list[str]:
    """The encodings that bytes which are not UTF-8 may have: cp1252 alone if it reads as Western words, else
    those that read all bytes."""
    words = [found[0] for found in itertools.islice(WORD.finditer(data), WORDS)]
    if all(map(WESTERN.fullmatch, words)) and reads("cp1252", data):
        return ["cp1252"]
    mixed = all(re.search(rb"[A-Za-z]", word) for word in words)
    return [name for name in (AMONG if mixed else OTHERS) if reads(name, data)]


def setting(encoding: str, in_spec: bool) -> str:
    """How to read a file in an encoding."""
    return (
        f'csv(..., encoding="{encoding}")'
        if in_spec
        else f"save it as UTF-8 (`iconv -f {encoding} -t utf-8`)"
    )


def wide(head: bytes) -> str:
    """The encoding of a file with these first bytes, if it has two or four bytes a character: by its byte
    order mark, or by the zeros of ASCII text."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or head[:4] == b"\0\0\xfe\xff":
        return "utf-32" if b"\0\0" in head[:8] else "utf-16"
    if len(head) <= 2 * head.count(b"\0") < 2 * len(head) and head.replace(b"\0", b"").isascii():
        return "utf-16-be" if head.startswith(b"\0") else "utf-16-le"
    return ""


def reads(encoding: str, data: bytes) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def line_of(data: bytes, place: int) -> int:
    """The line number of a byte, for all kinds of line endings."""
    before = data[:place]
    return 1 + before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")


def nul_line(data: bytes) -> int | None:
    """The line of the first NUL byte."""
    place = data.find(b"\0")
    return None if place < 0 else line_of(data, place)
