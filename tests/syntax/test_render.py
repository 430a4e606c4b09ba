"""Rendering of diagnostics as text and as JSON."""

from __future__ import annotations

import json

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.render import WINDOW, render, to_json
from dlc.compiler.diagnostics.source import Source, Span

RESNET = Source("resnet.dl", "\n" * 10 + "  return main + skip -> relu\n")


def at(source: Source, text: str, words: str = "", nth: int = 0) -> Label:
    start = -1
    for _ in range(nth + 1):
        start = source.text.index(text, start + 1)
    return Label(Span(source, start, start + len(text)), words)


def addition() -> Diagnostic:
    return Diagnostic(
        "E0203",
        "these two cannot be added: float[64, 28, 28] and float[128, 14, 14]",
        (at(RESNET, "main", "float[128, 14, 14]"), at(RESNET, "skip", "float[64, 28, 28]")),
        ("in: block basic, used at resnet.dl:25:6",),
        "`skip` keeps the shape of `x`; give it a convolution with stride=2",
    )


def drawn(source: Source, *labels: Label) -> str:
    """The source lines and marks only."""
    return render(Diagnostic("E0000", "m", labels)).split("\n", 3)[3]


def test_a_whole_diagnostic() -> None:
    assert (
        render(addition())
        == """\
error[E0203]: these two cannot be added: float[64, 28, 28] and float[128, 14, 14]
  --> resnet.dl:11:10
   |
11 |   return main + skip -> relu
   |          ^^^^   ^^^^ float[64, 28, 28]
   |          float[128, 14, 14]
   |
   = in: block basic, used at resnet.dl:25:6
   = help: `skip` keeps the shape of `x`; give it a convolution with stride=2"""
    )


def test_colour_does_not_change_the_text() -> None:
    colored = render(addition(), color=True)
    assert "\033[1;31merror[E0203]\033[0m" in colored
    assert "\033[1;31m^^^^\033[0m   \033[1;34m^^^^\033[0m" in colored
    plain = colored
    for code in ("\033[1;31m", "\033[1;34m", "\033[1m", "\033[0m"):
        plain = plain.replace(code, "")
    assert plain == render(addition())
    assert "\033[1;33mwarning[W0001]" in render(Diagnostic("W0001", "m", ()), color=True)


def test_a_diagnostic_without_a_span() -> None:
    text = render(Diagnostic("E0700", "no such file", (), ("in: here",), "look\nthere"))
    assert text == "error[E0700]: no such file\n  = in: here\n  = help: look\n    there"


def test_a_diagnostic_without_notes_ends_with_the_marks() -> None:
    source = Source("m.dl", "x = 1")
    assert render(Diagnostic("W0001", "m", (at(source, "1"),))) == (
        "warning[W0001]: m\n --> m.dl:1:5\n  |\n1 | x = 1\n  |     ^"
    )


def test_three_labels_in_one_line() -> None:
    source = Source("m.dl", "aa + bb + cc")
    labels = at(source, "aa", "one"), at(source, "bb", "two"), at(source, "cc", "three")
    assert drawn(source, *labels) == ("1 | aa + bb + cc\n  | ^^   ^^   ^^ three\n  | |    two\n  | one")


def test_labels_on_distant_lines() -> None:
    source = Source("m.dl", "a\nb\nc\n" + "\n" * 6 + "d")
    labels = at(source, "d", "here"), at(source, "a", "first"), at(source, "b")
    assert drawn(source, *labels) == (" 1 | a\n   | ^ first\n 2 | b\n   | ^\n...\n10 | d\n   | ^ here")


def test_labels_in_another_file() -> None:
    other = Source("other.dl", "block f(x) { }")
    text = render(Diagnostic("E0300", "m", (at(RESNET, "main"), at(other, "f", "declared here"))))
    assert text.split("\n")[4:] == [
        "   |          ^^^^",
        "  --> other.dl:1:7",
        "   |",
        " 1 | block f(x) { }",
        "   |       ^ declared here",
    ]


def test_overlapping_labels() -> None:
    source = Source("m.dl", "f(a, b)")
    assert drawn(source, at(source, "f(a, b)", "whole"), at(source, "a", "part")) == (
        "1 | f(a, b)\n  | ^^^^^^^ whole\n  |   part"
    )


def test_the_end_of_the_text_and_spans_over_several_lines() -> None:
    source = Source("m.dl", "x = f(\n  1\n)")
    assert drawn(source, Label(Span(source, 4, 12), "call")) == "1 | x = f(\n  |     ^^ call"
    assert drawn(source, Label(Span(source, 12, 12), "end")) == "3 | )\n  |  ^ end"


def test_marks_are_aligned_with_tabs_and_wide_and_combining_characters() -> None:
    source = Source("m.dl", "\ta = b")
    assert drawn(source, at(source, "b", "x")) == "1 |     a = b\n  |         ^ x"
    source = Source("m.dl", 'x = "日本" + e\u0301 + y')
    assert drawn(source, at(source, "日本", "wide"), at(source, "y", "last")) == (
        '1 | x = "日本" + e\u0301 + y\n  |      ^^^^        ^ last\n  |      wide'
    )


def test_control_characters_are_escaped() -> None:
    source = Source("m\033.dl", "a \033[31m \u202e b\r")
    text = render(Diagnostic("E0000", "a\033[2J\nb", (at(source, "b", "\u2066x"),), ("n\x07",), "h\x9b"))
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "a\\x1b[2J\\nb" in text
    assert "1 | a \ufffd[31m \ufffd b\ufffd\n" in text
    assert render(Diagnostic("E0000", "\ud800", (at(Source("m", "x\ud800"), "x"),))).encode()


def test_long_lines_are_cut() -> None:
    source = Source("m.dl", "x = " + "y + " * 200 + "z")
    text = drawn(source, at(source, "z", "here"), at(source, "x", "there"))
    first, marks, second, more = text.split("\n")
    assert first == "1 | " + source.text[:WINDOW] + "..."
    assert marks == "  | ^ there"
    assert second == "1 | ..." + source.text[-WINDOW:]
    assert more.index("^") == second.index("z")
    assert all(len(line) < WINDOW + 20 for line in text.split("\n"))


def test_json() -> None:
    data = to_json(addition())
    assert json.loads(json.dumps(data)) == data
    place = {"file": "resnet.dl", "line": 11, "column": 10, "end_line": 11, "end_column": 14}
    assert data == {
        "code": "E0203",
        "severity": "error",
        "message": "these two cannot be added: float[64, 28, 28] and float[128, 14, 14]",
        **place,
        "labels": [
            {**place, "text": "float[128, 14, 14]"},
            {**place, "column": 17, "end_column": 21, "text": "float[64, 28, 28]"},
        ],
        "notes": ["in: block basic, used at resnet.dl:25:6"],
        "help": "`skip` keeps the shape of `x`; give it a convolution with stride=2",
    }
    assert to_json(Diagnostic("E0700", "m", ()))["line"] is None
