"""Short files are read without threads, because a thread that is starting at process exit aborts the
process."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNTED = """
import os, sys
from pathlib import Path
import pyarrow.csv, pyarrow.parquet, pyarrow.compute
from dlc.compiler.types import Tensor
from dlc.runtime.data import RequiredField, read_rows

def threads():
    return len(os.listdir("/proc/self/task"))

wanted = [RequiredField("a", Tensor("float")), RequiredField("k", Tensor("string"))]
before = threads()
for _ in range(3):
    read_rows(Path(sys.argv[1]), wanted)
print(threads() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the threads of a process")
@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_short_files_start_no_threads(name, tmp_path):
    import pyarrow as pa
    from pyarrow import csv, parquet

    write = csv.write_csv if name.endswith("csv") else parquet.write_table
    write(pa.table({"a": [1.5, 2.0], "k": ["x", "y"]}), tmp_path / name)
    command = [sys.executable, "-c", COUNTED, str(tmp_path / name)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(run.stdout) <= 1, "one thread may read ahead"
