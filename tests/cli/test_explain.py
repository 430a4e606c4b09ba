"""`dlc explain`, from the view of a user with an error."""

from __future__ import annotations

from stories import dlc

from dlc.compiler.diagnostics.codes import codes, page
from dlc.reference import terminal


def test_a_page_has_meaning_reason_and_fix() -> None:
    done = dlc("explain", "E0203")
    of = page("E0203")
    assert done.exit_code == 0
    assert done.output.startswith(
        "E0203: shapes that do not match\n\nShapes are broadcast from the last axis"
    )
    wrong, fixed = done.output.split("\nFixed\n")
    assert "error[E0203]: these two cannot be added: float[128, 14, 14] and float[64, 28, 28]" in wrong
    assert "skip=conv(128, 1, stride=2)" in fixed
    for case, printed in ((of.wrong, wrong), (of.fixed, fixed)):
        shown = [line.removeprefix("    ") for line in printed.splitlines()]
        assert set(case.files["model.dl"].splitlines()) <= set(shown)


def test_the_page_of_a_warning_shows_how_to_allow_it() -> None:
    assert "`# allow W0410: why`" in dlc("explain", "W0410").output
    assert "allow" not in dlc("explain", "E0203").output


def test_letters_may_be_small() -> None:
    assert dlc("explain", "w0401").output == dlc("explain", "W0401").output


def test_commands_and_additional_files_are_shown() -> None:
    printed = dlc("explain", "E0707").output
    assert "\n    dlc train model.dl\n" in printed
    assert "`homes.csv`:\n\n    size,kind\n" in printed
    assert printed.count("size,kind") == 1, "a file that stays as it is stands there once"


def test_without_a_code_all_are_listed() -> None:
    printed = dlc("explain").output
    assert [line.split("`")[1] for line in printed.splitlines() if line.startswith("- ")] == list(codes())
    assert "\nNames\n\n- `E0301` an unknown name\n" in printed


def test_the_beginning_of_a_code_lists_the_codes_with_it() -> None:
    printed = dlc("explain", "e03").output
    assert printed.startswith("Names\n\n- `E0301` an unknown name\n")
    assert {line[3:6] for line in printed.splitlines() if line.startswith("- ")} == {"E03"}
    assert dlc("explain", "").exit_code == 1


def test_a_typo_gets_a_suggestion() -> None:
    done = dlc("explain", "E0230")
    assert done.exit_code == 1
    assert "there is no code `E0230`" in done.output
    assert "help: did you mean `E0203`?" in done.output
    assert "help: `dlc explain` lists all codes" in dlc("explain", "shapes").output


def test_a_terminal_shows_bold_headings_and_wrapped_text() -> None:
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


def test_a_code_is_found_in_a_whole_message() -> None:
    printed = dlc("explain", "E0203").output
    assert dlc("explain", "error[E0203]: these two cannot be added").output == printed
    assert dlc("explain", " e0203:").output == printed
    assert "did you mean `E0203`?" in dlc("explain", "203").output


def test_several_codes_are_shown_in_order() -> None:
    both = dlc("explain", "E0203", "w0401").output
    assert both.startswith(dlc("explain", "E0203").output)
    assert both.endswith(dlc("explain", "W0401").output)
    assert dlc("explain", "E0203", "E9999").output.startswith("error: there is no code `E9999`")
