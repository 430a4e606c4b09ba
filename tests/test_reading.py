"""Opening files for reading: only regular files of bounded size, without blocking, and without a race between
check and open."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dlc
from dlc.compiler import reading
from dlc.runtime import memory


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert reading.read(path, 5) == b"12345"
    assert reading.check(path, 5) == 5
    for function in (reading.read, reading.check, reading.open_file):
        with pytest.raises(reading.Unreadable, match="is larger than 4 bytes"):
            function(path, 4)


def test_a_file_of_unknown_size_is_read_up_to_its_bound() -> None:
    """Files of `/proc` report a size of 0."""
    path = Path("/proc/self/maps")
    assert path.stat().st_size == 0
    assert reading.read(path, 1 << 24)
    with pytest.raises(reading.Unreadable, match="is larger than 10 bytes"):
        reading.read(path, 10)


def test_a_path_that_is_replaced_after_its_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe replaces the file between check and open. Opening it does not block."""
    (tmp_path / "file").write_text("text")
    os.mkfifo(tmp_path / "pipe")
    real, seen = os.stat, []

    def stat(path: object, **more: object) -> os.stat_result:
        found = real(path, **more)  # pyright: ignore[reportArgumentType, reportCallIssue]
        if path == tmp_path / "file" and not seen:
            seen.append(path)
            os.replace(tmp_path / "pipe", tmp_path / "file")
        return found

    monkeypatch.setattr(os, "stat", stat)
    with pytest.raises(reading.Unreadable, match=r"is a pipe \(FIFO\), not a regular file"):
        reading.open_file(tmp_path / "file")
    assert seen


def test_nothing_stays_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    os.mkfifo(tmp_path / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    reading.check(tmp_path / "file")
    for path in ("pipe", "nothing", "a\0b", "\udcff" * 300):
        with pytest.raises(OSError):
            reading.open_file(tmp_path / path)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"a\nb\n", "a\nb\n"), (b"a\r\nb\r\n", "a\nb\n"), (b"a\rb", "a\nb"), (b"\xef\xbb\xbfa", "a"), (b"", "")],
)
def test_line_ends_are_normalized(content: bytes, text: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    assert reading.read_text(tmp_path / "file", 100) == text
    with open(tmp_path / "file", encoding="utf-8-sig") as file:
        assert file.read() == text  # as Python reads it


def test_python_gets_the_same_errors(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dl")
    with pytest.raises(OSError, match=r"is a pipe \(FIFO\), not a regular file.*pipe\.dl"):
        dlc.compile(tmp_path / "pipe.dl")
    with pytest.raises(FileNotFoundError):
        dlc.compile(tmp_path / "nothing.dl")


# --- memory -----------------------------------------------------------------------------------------------


def test_free_memory_is_at_most_the_total_memory() -> None:
    table = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    assert 0 < memory.free() <= int(table["MemTotal"].split()[0]) << 10


def test_a_limit_of_the_process_counts() -> None:
    child = (
        "import resource\nfrom dlc.runtime import memory\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\nprint(memory.free())\n"
        "held = bytearray(256 << 20)\nprint(memory.free())\n"
    )
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert 0 < before < 1 << 30
    assert 255 << 20 <= before - after <= 300 << 20


@pytest.mark.parametrize(
    ("files", "left"),
    [
        (
            {"memory.max": "1000", "memory.current": "700", "memory.stat": "anon 500\ninactive_file 200\n"},
            500,
        ),
        ({"memory.max": "max", "memory.current": "700"}, None),
        ({"box/memory.max": "1000", "box/memory.current": "990"}, 10),
        (
            {
                "memory.max": "5000",
                "memory.current": "0",
                "box/memory.max": "1000",
                "box/memory.current": "2000",
            },
            0,
        ),
        (
            {
                "memory/box/memory.limit_in_bytes": "1000",
                "memory/box/memory.usage_in_bytes": "900",
                "memory/box/memory.stat": "total_inactive_file 50\n",
            },
            150,
        ),
        ({"memory.max": "many", "memory.current": "few"}, None),
    ],
)
def test_the_limit_of_a_container_counts(
    files: dict[str, str], left: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    real = reading.read_text

    def read_text(path: str, most: int) -> str:
        return "0::/box\n4:memory:/box\n" if path == "/proc/self/cgroup" else real(path, most)

    monkeypatch.setattr(memory, "GROUPS", str(tmp_path))
    monkeypatch.setattr(reading, "read_text", read_text)
    if left is None:
        assert memory.free() > 1 << 20
    else:
        assert memory.free() == left


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (999.6, "1 kB"), (123_456_789, "123 MB"), (3 << 30, "3.22 GB")],
)
def test_sizes_are_printed_with_units(size: float, text: str) -> None:
    assert memory.format_size(size) == text
