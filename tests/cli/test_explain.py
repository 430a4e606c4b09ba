"""`dlc explain`, as a person uses it who met an error."""

from __future__ import annotations

from stories import dlc

from dlc.compiler.diagnostics.codes import codes, page
from dlc.reference import terminal


def test_it_says_what_why_and_how_to_fix() -> None:
    done = dlc("explain", "E0203")
    of = page("E0203")
    assert done.exit_code == 0
    assert done.output.startswith(
        "E0203: shapes that do not match\n\nShapes are broadcast from the last axis"
    )
    wrong, fixed = done.output.split("\nFixed\n")
    assert "error[E0203]: these two cannot be added: float[128, 14, 14] and float[64, 28, 28]" in wrong
    assert "skip=conv(128, 1, stride=2)" in fixed
    for case, said in ((of.wrong, wrong), (of.fixed, fixed)):
        shown = [line.removeprefix("    ") for line in said.splitlines()]
        assert set(case.files["model.dl"].splitlines()) <= set(shown)


def test_a_warning_says_how_it_is_allowed() -> None:
    assert "`# allow W0410: why`" in dlc("explain", "W0410").output
    assert "allow" not in dlc("explain", "E0203").output


def test_letters_may_be_small() -> None:
    assert dlc("explain", "w0401").output == dlc("explain", "W0401").output


def test_what_is_typed_and_the_files_beside_are_shown() -> None:
    said = dlc("explain", "E0707").output
    assert "\n    dlc train model.dl\n" in said
    assert "`homes.csv`:\n\n    size,kind\n" in said
    assert said.count("size,kind") == 1, "a file that stays as it is stands there once"


def test_without_a_code_all_are_listed() -> None:
    said = dlc("explain").output
    assert [line.split("`")[1] for line in said.splitlines() if line.startswith("- ")] == list(codes())
    assert "\nNames\n\n- `E0301` an unknown name\n" in said


def test_the_beginning_of_a_code_lists_those_that_begin_so() -> None:
    said = dlc("explain", "e03").output
    assert said.startswith("Names\n\n- `E0301` an unknown name\n")
    assert {line[3:6] for line in said.splitlines() if line.startswith("- ")} == {"E03"}
    assert dlc("explain", "").exit_code == 1


def test_a_typo_is_told() -> None:
    done = dlc("explain", "E0230")
    assert done.exit_code == 1
    assert "there is no code `E0230`" in done.output
    assert "help: did you mean `E0203`?" in done.output
    assert "help: `dlc explain` lists them all" in dlc("explain", "shapes").output


def test_a_terminal_shows_headings_in_bold_and_text_in_lines_that_fit() -> None:
    page = (
        "# title\n\n"
        + "word " * 60
        + "\n\n- [link](to.md) "
        + "word " * 30
        + "\n\n```dl\n"
        + "x" * 200
        + "\n```\n"
    )
    lines = terminal.drawn(page, color=True).splitlines()
    assert lines[0] == "\033[1mtitle\033[0m"
    assert max(len(line) for line in lines if "x" not in line) <= terminal.WIDTH
    assert any(line.startswith("- link word") for line in lines)
    assert any(line.startswith("  word") for line in lines), "what is listed hangs behind its sign"
    assert lines[-1] == "    " + "x" * 200, "what is fenced stays as it is"


def test_a_code_may_stand_within_its_message() -> None:
    said = dlc("explain", "E0203").output
    assert dlc("explain", "error[E0203]: these two cannot be added").output == said
    assert dlc("explain", " e0203:").output == said
    assert "did you mean `E0203`?" in dlc("explain", "203").output


def test_several_codes_are_told_one_after_the_other() -> None:
    both = dlc("explain", "E0203", "w0401").output
    assert both.startswith(dlc("explain", "E0203").output)
    assert both.endswith(dlc("explain", "W0401").output)
    assert dlc("explain", "E0203", "E9999").output.startswith("error: there is no code `E9999`")
