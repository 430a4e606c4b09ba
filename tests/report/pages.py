"""Reads pages of `dlc report`: their tables, cards and texts, with the parser of Python."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

from click.testing import CliRunner

from dlc.cli import commands

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

VOID = {"meta", "img", "br"}
WITHIN = {"b", "i", "code", "strong"}  # tags within a text


def dlc(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [str(a) for a in arguments])


def report(*arguments: object) -> Result:
    done = dlc("report", *arguments)
    assert done.exit_code == 0, done.output
    return done


class ReadPage(HTMLParser):
    """A page. `tables` are lists of rows by caption, the title of a folded table being that of its summary;
    `cards` are dicts: `place`, `verdict`, and the values by their titles; `tags` are all tags with their
    attributes; `words` are all paragraphs and captions of figures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.cards: list[dict[str, str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.headings: list[str] = []
        self._open: list[str] = []
        self._text, self._title, self._caption = "", "", ""
        self._rows: list[list[str]] | None = None
        self.feed(text)
        self.close()
        assert self._open == [], "every tag is closed"

    @classmethod
    def at(cls, path: Path) -> ReadPage:
        return cls(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "img" and self._open and "article" in self._open:
            self.cards[-1][self._title] = dict(attrs).get("src") or ""
        if tag in VOID:
            return
        self._open.append(tag)
        if tag == "table":
            self._rows, self._caption = [], self._title
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag == "article":
            self.cards.append({})
        elif tag == "dl":
            self.cards[-1]["verdict"] = self._text.strip()
        if tag not in WITHIN:
            self._text = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag in WITHIN:
            return
        text = " ".join(self._text.split())
        if tag in ("td", "th") and self._rows is not None:
            self._rows[-1].append(text)
        elif tag == "caption":
            self._caption = text
        elif tag == "summary":
            self._title = text
        elif tag == "table":
            self.tables[self._unused(self._caption)] = self._rows or []
            self._rows = None
        elif tag == "h4":
            self.cards[-1]["place"] = text
            self._text = ""
            return
        elif tag == "dt":
            self._title = text
        elif tag == "dd" and text:
            self.cards[-1].setdefault(self._title, text)
        elif tag in ("p", "figcaption"):
            self.words.append(text)
        elif tag in ("h1", "h2", "h3"):
            self.headings.append(text)
        if tag == "details":
            self._title = ""
        self._text = ""

    def _unused(self, name: str) -> str:
        number = 1
        while (found := name if number == 1 else f"{name} {number}") in self.tables:
            number += 1
        return found

    @property
    def text(self) -> str:
        return "\n".join(self.words)
