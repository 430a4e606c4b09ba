"""Untrusted names and texts are printed shortened and without terminal control characters."""

from __future__ import annotations

import pytest

from dlc.cli.terminal_text import plain
from dlc.compiler.diagnostics.quoting import listed, printable, shorten
from dlc.runtime.training.progress import aligned


def test_a_text_in_a_message_is_shortened_and_escaped() -> None:
    assert shorten("a" * 40) == "a" * 40
    assert shorten("a" * 41) == "a" * 37 + "..."
    assert shorten("\033[31mred") == r"\x1b[31mred"
    assert len(shorten("\033" * 10**6)) == 40
    assert shorten(12345, 4) == "1..."


def test_a_list_of_names_ends_after_a_dozen() -> None:
    assert listed(["a", "b\n"]) == r"`a`, `b\n`"
    assert listed([str(n) for n in range(12)], "{}") == ", ".join(map(str, range(12)))
    assert listed([str(n) for n in range(14)], "{}").endswith("11 and 2 more")


@pytest.mark.parametrize("character", ["\033", "\x9b", "\u202e", "\u200b", "\x07", "\r", "\ud800"])
def test_no_printed_line_contains_control_characters(character: str) -> None:
    for shown in (
        printable(character),
        plain(f"a{character}b"),
        *aligned([["", f"a{character}"], ["b", "1"]]),
    ):
        assert shown.isprintable()
        assert shown.encode()


def test_line_breaks_and_tabs_are_kept() -> None:
    assert plain("a\tb\r\nc\n") == "a\tb\nc\n"
