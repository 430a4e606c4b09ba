"""Processes that decode files: the same results in the same order, whatever their number."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fields import error_of
from picture_files import noise, pets, rows_of, save

from dlc.runtime.data.files import workers
from dlc.runtime.data.files.bad_file import BadFile
from dlc.runtime.data.files.pictures import MaskReader, PictureReader

if TYPE_CHECKING:
    from pathlib import Path

SPEC = """input x: uint8[3, 4, 4]
output kind: class(auto)
x / 255 -> flatten -> dense(kind.classes) -> kind
data { source = images("pets") }
"""
# A program of a user without `if __name__ == "__main__"`, which starts two processes.
SCRIPT = """
import sys
from dlc.runtime.data.files import workers
from dlc.runtime.data.files.pictures import PictureReader
print("once")
files = [(path,) for path in sys.argv[1:]]
print(len(list(workers.read_all(PictureReader(3, 4, 4), files, 2))))
"""


def files_in(folder: Path, count: int = 40) -> list[tuple[str, ...]]:
    """Pictures of different sizes, a broken one among them."""
    names = [save(folder / f"{n:02}.png", noise(n, 3 + n % 7, 5 + n % 4, 3)) for n in range(count)]
    names[17].write_bytes(b"nothing")
    return [(str(name),) for name in names]


def running_children() -> set[str]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return {*file.read().split()}


@pytest.mark.parametrize("height", [4, None])
def test_two_processes_answer_as_one_does(tmp_path: Path, height: int | None) -> None:
    files, reader = files_in(tmp_path), PictureReader(3, height, height, "crop")
    alone, together = ([*workers.read_all(reader, files, n)] for n in (1, 2))
    assert len(alone) == len(together) == len(files)
    for one, other in zip(alone, together, strict=True):
        if isinstance(one, BadFile):
            assert isinstance(other, BadFile)
            assert vars(one) == vars(other)
        else:
            assert isinstance(other, np.ndarray)
            assert (one.dtype, one.tolist()) == (other.dtype, other.tolist())
    assert [n for n, some in enumerate(together) if isinstance(some, BadFile)] == [17]


def test_processes_start_when_one_would_take_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows do not tell which process decoded them."""
    files, reader, begun = files_in(tmp_path), PictureReader(3, 4, 4), []
    alone = [*workers.read_all(reader, files, 1)]
    start = workers.start
    monkeypatch.setattr(workers, "start", lambda reader: begun.append(1) or start(reader))
    monkeypatch.setattr(workers, "cores", lambda: 2)
    assert len([*workers.read_all(reader, files)]) == len(files)
    assert not begun
    monkeypatch.setattr(workers, "MEASURED", 0)
    monkeypatch.setattr(workers, "ALONE", 0)
    found = [*workers.read_all(reader, files)]
    assert len(begun) == 2
    pairs = zip(alone, found, strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs if isinstance(a, np.ndarray))


def test_masks_with_their_pictures_go_to_processes_too(tmp_path: Path) -> None:
    pictures = [str(save(tmp_path / "p" / f"{n}.png", noise(n, 6, 8, 3))) for n in range(20)]
    covers = [str(save(tmp_path / "c" / f"{n}.png", noise(n, 6, 8, high=300 % 256))) for n in range(20)]
    found = [*workers.read_all(MaskReader(6, 8), [*zip(covers, pictures, strict=True)], 2)]
    assert all(np.array_equal(mask, noise(n, 6, 8, high=44)) for n, mask in enumerate(found))


def test_no_process_is_left_when_the_caller_stops_early(tmp_path: Path) -> None:
    before = running_children()
    found = workers.read_all(PictureReader(3, 4, 4), files_in(tmp_path), 2)
    next(found)
    assert len(running_children() - before) == 2
    found.close()  # type: ignore[attr-defined]
    assert running_children() == before


def test_a_process_that_is_killed_is_an_error_that_names_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pets(tmp_path / "pets")
    killer = "import os, signal, sys; sys.stdin.readline(); os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr(workers, "START", killer)
    monkeypatch.setattr(workers, "MEASURED", 0)
    monkeypatch.setattr(workers, "ALONE", 0)
    monkeypatch.setattr(workers, "cores", lambda: 2)
    found = error_of(rows_of, SPEC, tmp_path)
    said = "pets: the process that decodes files was ended by SIGKILL, at one of 5 files: "
    assert (found.code, found.message) == ("E0702", said + '"1.png", "2.png", "0.png"')


def test_a_script_without_a_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    names = [path for (path,) in files_in(tmp_path / "pictures", 20)]
    done = subprocess.run([sys.executable, script, *names], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("once\n20\n", "")


def test_requests_fit_in_a_pipe(tmp_path: Path) -> None:
    long = [("x" * 4000, "y" * 4000)] * 5 + [("short",)] * 40
    made = [*workers.chunks(long)]
    assert [some for chunk in made for some in chunk] == long
    assert max(len(json.dumps(chunk)) for chunk in made) < 1 << 15
    assert max(map(len, made)) == workers.CHUNK


def test_ctrl_c_ends_the_processes(tmp_path: Path) -> None:
    """The interrupt reaches the whole group of processes, as that of a terminal does."""
    import signal

    names = [path for (path,) in files_in(tmp_path / "pictures", 20)]
    script = SCRIPT.replace("print(len(", "\nwhile True:\n    (len(").replace(
        'print("once")', 'print("once", flush=True)'
    )
    running = subprocess.Popen([sys.executable, "-c", script, *names], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)  # fmt: skip
    assert running.stdout is not None
    assert running.stdout.readline() == "once\n"
    time.sleep(1)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert said.rstrip().endswith("KeyboardInterrupt")
    assert said.count("Traceback") == 1
