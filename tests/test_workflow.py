"""The workflow file of continuous integration is valid, and its commands work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from imports import ROOT

WORKFLOW = ROOT / ".github/workflows/ci.yml"
JOBS = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]


def commands(job: str) -> list[str]:
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


def test_it_matches_the_schema_of_github_workflows() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, str(WORKFLOW)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_linux_runs_all_tests_and_the_smoke_test_the_first_commands_of_a_user() -> None:
    assert commands("linux")[-1] == "bash .ci/run"
    install, *run = commands("smoke")
    assert install == 'pip install ".[train]"'
    assert [command.split()[1] for command in run] == ["check", "train", "verify"]


def test_the_smoke_test_runs_on_each_system_and_on_the_oldest_python() -> None:
    machines = JOBS["smoke"]["strategy"]["matrix"]["include"]
    assert {m["os"].partition("-")[0] for m in machines} == {"ubuntu", "macos", "windows"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = sorted({m["python"] for m in machines}, key=lambda v: int(v.partition(".")[2]))
    assert project["requires-python"] == f">={versions[0]}"


@pytest.mark.slow
def test_the_commands_of_the_smoke_test_work(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "specs", tmp_path / "specs")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    there = os.environ | {"PATH": path}
    for command in commands("smoke")[1:]:
        shell = ["bash", "-c", command]
        done = subprocess.run(shell, cwd=tmp_path, env=there, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), command
