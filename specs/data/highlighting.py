"""Writes `highlighting.csv`, lines of Python's standard library with the kind of each character:
`python specs/data/highlighting.py`. The file was written with Python 3.11.7; its licence is in
`licenses/python.txt`.

Kinds: `k` keyword, `d` name that is defined, `c` name that is called, `a` attribute, `n` other name,
`s` string, `#` comment, `0` number, `o` operator, and a space."""

import csv
import keyword
import os
import random
import tokenize
from pathlib import Path

LINES, SHORTEST, LONGEST = 4000, 8, 60
# Those without a licence of their own.
MODULES = ("argparse", "bdb", "calendar", "cmd", "configparser", "contextlib", "copy", "csv",
           "dataclasses", "datetime", "difflib", "dis", "doctest", "enum", "filecmp", "fileinput",
           "fractions", "ftplib", "functools", "gzip", "heapq", "imaplib", "inspect", "ipaddress",
           "mailbox", "mimetypes", "operator", "os", "pathlib", "pdb", "pickle", "pkgutil", "poplib",
           "pprint", "queue", "random", "sched", "selectors", "shelve", "shutil", "smtplib", "socket",
           "ssl", "statistics", "string", "subprocess", "tempfile", "threading", "timeit", "traceback",
           "types", "typing", "uuid", "weakref", "zipfile")  # fmt: skip


def kind_of(before: str, token: tokenize.TokenInfo, after: str) -> str:
    if token.type == tokenize.NAME:
        if keyword.iskeyword(token.string):
            return "k"
        if before in ("def", "class"):
            return "d"
        if after == "(":
            return "c"
        return "a" if before == "." else "n"
    return {tokenize.STRING: "s", tokenize.COMMENT: "#", tokenize.NUMBER: "0"}.get(token.type, "o")


def lines_of(path: Path) -> dict[str, str]:
    """The kinds of the lines of a module without their indentation, by their text."""
    with tokenize.open(path) as file:
        tokens = [*tokenize.generate_tokens(file.readline)]
    lines: dict[int, str] = {}
    kinds: dict[int, list[str]] = {}
    parts: set[int] = set()  # lines with a part of a string that goes on
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        (first, start), (last, end) = token.start, token.end
        if first != last:
            parts.update(range(first, last + 1))
        elif token.string.strip():
            lines[first] = token.line
            row = kinds.setdefault(first, [" "] * len(token.line))
            row[start:end] = kind_of(before.string, token, after.string) * (end - start)
    found = {}
    for number, line in lines.items():
        text = line.strip()
        at = line.index(text)
        if number not in parts:
            found[text] = "".join(kinds[number])[at : at + len(text)]
    return found


def main() -> None:
    rows = {}
    for module in MODULES:
        for text, kinds in lines_of(Path(os.__file__).with_name(f"{module}.py")).items():
            if SHORTEST <= len(text) <= LONGEST and text.isascii() and text.isprintable() and text[0] != "#":
                rows[text] = (module, text, kinds)
    chosen = sorted(random.Random(1).sample(sorted(rows), LINES))
    with Path(__file__).with_name("highlighting.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("module", "code", "kinds"))
        writer.writerows(rows[text] for text in chosen)


if __name__ == "__main__":
    main()
