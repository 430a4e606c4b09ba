"""Pictures and recordings that take more memory than they may are decoded once, into the cache."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from picture_files import noise, pets, rows_of, save

from dlc.runtime.data import bounds
from dlc.runtime.data.past_memory.stored_rows import StoredRows
from dlc.runtime.data.rows.dataset import Dataset, Rows
from dlc.runtime.data.store import cache

PETS = """
input  photo: uint8[3, 6, 8]
output kind: class(cat, dog)
photo / 255 -> flatten -> dense(2) -> kind
data { source = images("pets")
  test = 0.25 }
"""
MASKS = """
input  photo: float[1, 6, 8]
output cover: class(3, ignore=2)[6, 8]
photo -> conv(3, 1) -> cover
data { source = images("photos", masks="covers") }
"""
VOICES = """
input  sound: float[T]
output word: class(no, yes)
sound -> mean -> dense(2) -> word
data { source = csv("voices.csv")
  sound = files("file", root="voices", rate=8000) }
"""


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLC_CACHE", str(tmp_path / "cache"))


def both(spec: str, folder: Path, allowed: int) -> tuple[Dataset, Dataset]:
    """The rows in memory, and those from the cache."""
    kept = rows_of(spec, folder)
    with bounds.allowed(allowed):
        stored = rows_of(spec, folder)
    assert not isinstance(kept.train, StoredRows) and isinstance(stored.train, StoredRows)
    return kept, stored


def assert_same(kept: Rows | None, stored: Rows | None) -> None:
    assert kept is not None and stored is not None
    assert kept.count == stored.count
    for one, other in zip(kept.batches(3), stored.batches(3), strict=True):
        assert one.keys() == other.keys()
        for name, values in one.items():
            assert values.dtype == other[name].dtype
            np.testing.assert_array_equal(values, other[name])


def test_pictures_are_those_in_memory(tmp_path: Path) -> None:
    pets(tmp_path / "pets", per_class=8)
    kept, stored = both(PETS, tmp_path, 1000)
    assert_same(kept.train, stored.train)
    assert_same(kept.test, stored.test)
    assert kept.fingerprint == stored.fingerprint
    assert kept.train is not None and stored.train is not None
    assert [kept.train.place(row) for row in range(12)] == [stored.train.place(row) for row in range(12)]


def test_masks_are_those_in_memory(tmp_path: Path) -> None:
    for number in range(7):
        save(tmp_path / "photos" / f"{number}.png", noise(number, 6, 8))
        save(tmp_path / "covers" / f"{number}.png", noise(number, 6, 8, high=3))
    kept, stored = both(MASKS, tmp_path, 5000)
    assert_same(kept.train, stored.train)


def test_recordings_of_a_table_are_those_in_memory(tmp_path: Path) -> None:
    (tmp_path / "voices").mkdir()
    rng = np.random.default_rng(0)
    lines = ["file,word"]
    for number in range(9):
        samples = rng.uniform(-1, 1, 200 + 40 * (number % 4))
        soundfile.write(tmp_path / "voices" / f"{number}.wav", samples, 8000)
        lines.append(f"{number}.wav,{('no', 'yes')[number % 2]}")
    (tmp_path / "voices.csv").write_text("\n".join(lines))
    kept, stored = both(VOICES, tmp_path, 4000)
    assert_same(kept.train, stored.train)


def test_a_changed_picture_is_decoded_again(tmp_path: Path) -> None:
    pets(tmp_path / "pets", per_class=8)
    both(PETS, tmp_path, 1000)
    [first] = cache.cache_folder().iterdir()
    save(tmp_path / "pets" / "cat" / "0.png", noise(99, 6, 8, 3))
    os.utime(tmp_path / "pets" / "cat" / "0.png", (1, 1))
    kept, stored = both(PETS, tmp_path, 1000)
    assert_same(kept.train, stored.train)
    assert len([*cache.cache_folder().iterdir()]) == 2 and first.exists()
