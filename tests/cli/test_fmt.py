"""`dlc fmt`: the one layout, written whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stories import IRIS, dlc, write

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LOOSE = "input   x :float[4]\noutput y: float[2]\nx->dense( 2 )->y # ends\n"
NEAT = "input  x: float[4]\noutput y: float[2]\nx -> dense(2) -> y  # ends\n"


def test_files_are_brought_into_the_layout_once(tmp_path: Path) -> None:
    loose, neat = write(tmp_path, "loose.dl", LOOSE), write(tmp_path, "neat.dl", NEAT)
    done = dlc("fmt", loose, neat)
    assert (done.exit_code, done.output) == (0, f"{loose} changed\n")
    assert loose.read_text("utf-8") == NEAT
    assert dlc("fmt", loose, neat).output == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == ["loose.dl", "neat.dl"]


def test_check_changes_nothing(tmp_path: Path) -> None:
    loose = write(tmp_path, "loose.dl", LOOSE)
    done = dlc("fmt", "--check", loose)
    assert (done.exit_code, done.output) == (1, f"{loose} is not in the layout\n")
    assert loose.read_text("utf-8") == LOOSE


def test_a_spec_with_errors_stays_as_it_is(tmp_path: Path) -> None:
    bad, loose = write(tmp_path, "bad.dl", "x -> (dense(2\n"), write(tmp_path, "loose.dl", LOOSE)
    done = dlc("fmt", bad, loose)
    assert done.exit_code == 1
    assert "error[E0103]" in done.output
    assert bad.read_text("utf-8") == "x -> (dense(2\n"
    assert loose.read_text("utf-8") == NEAT, "the others are still brought into the layout"


def test_a_file_keeps_its_mode_and_its_links(tmp_path: Path) -> None:
    loose = write(tmp_path, "loose.dl", LOOSE)
    loose.chmod(0o640)
    (tmp_path / "link.dl").symlink_to("loose.dl")
    assert dlc("fmt", tmp_path / "link.dl").exit_code == 0
    assert (tmp_path / "link.dl").is_symlink()
    assert loose.read_text("utf-8") == NEAT
    assert loose.stat().st_mode & 0o777 == 0o640


def test_an_interrupted_write_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device", "disk")

    loose = write(tmp_path, "loose.dl", LOOSE)
    monkeypatch.setattr(os, "replace", fail)
    done = dlc("fmt", loose)
    assert (done.exit_code, done.stderr) == (1, "error: disk: no space left on device\n")
    assert [p.name for p in tmp_path.iterdir()] == ["loose.dl"]
    assert loose.read_text("utf-8") == LOOSE


def test_line_ends_of_other_systems_become_the_one(tmp_path: Path) -> None:
    spec = tmp_path / "iris.dl"
    spec.write_bytes(NEAT.replace("\n", "\r\n").encode())
    assert dlc("check", write(tmp_path, "same.dl", IRIS)).exit_code == 0
    assert dlc("fmt", spec).output == f"{spec} changed\n"
    assert spec.read_bytes() == NEAT.encode()
