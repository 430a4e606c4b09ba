"""Runs that are killed with SIGKILL at random moments and resumed, against the run without interruption.

`python -m benchmarks kills [N]` kills N runs (100), of each kind in turn, and prints a table of what came of
them; the exit code is 1 if a result is not the same in every bit.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
FILES = ("weights.safetensors", "model.onnx", "figures.json")  # equal in every byte
TIMES = {"seconds", "rows_per_second", "memory"}  # of an epoch; all else is equal


@dataclass(frozen=True)
class Kind:
    """A spec of `specs/`, and the settings that make its training short and keep its state often."""

    spec: str
    settings: dict[str, str] = field(default_factory=dict)

    def command(self, out: Path) -> list[str]:
        given = [f"--set={name}={value}" for name, value in self.settings.items()]
        return [*DLC, str(ROOT / "specs" / self.spec), "--out", str(out), *given]


DLC = [sys.executable, "-m", "dlc", "train"]
OFTEN = {"train.keep": "steps(5)"}
KINDS = {
    "table": Kind("iris.dl", OFTEN | {"train.epochs": "40"}),
    "CNN, dropout and augmentation": Kind("augmented_digits.dl", OFTEN | {"train.epochs": "5"}),
    "LSTM with lengths": Kind("japanese_vowels.dl", OFTEN | {"train.epochs": "5"}),
    "GAN, ema, phases": Kind(
        "gan_ring.dl", OFTEN | {"train.gan.steps": "200", "train.two_samples.steps": "60"}
    ),
    "phases": Kind("stacked_autoencoder.dl", OFTEN | {"train.epochs": "2", "train.labels.epochs": "10"}),
    "ema": Kind("penguins.dl", OFTEN | {"train.epochs": "30"}),
    "accumulate, plateau": Kind(
        "wine.dl",
        OFTEN | {"train.epochs": "40", "train.accumulate": "3", "train.schedule": "plateau(1, 0.5)",
                 "train.batch": "8"},
    ),
    "L-BFGS": Kind("optimizers/lbfgs.dl", {"train.keep": "steps(1)", "train.epochs": "60"}),
}  # fmt: skip


def run_in(out: Path) -> Path:
    """The only run folder below a folder."""
    [run] = [path.parent for path in out.glob("*/*/run.json") if path.parent.name != "latest"]
    return run


def run_whole(kind: Kind, out: Path) -> tuple[Path, float]:
    """The run without interruption, and how long it trained, in seconds."""
    subprocess.run(kind.command(out), check=True, capture_output=True)
    run = run_in(out)
    return run, json.loads((run / "run.json").read_text())["seconds"]


def run_killed(kind: Kind, out: Path, after: float) -> tuple[Path, int]:
    """A run that is killed this many seconds after it kept its first state, and resumed. The second value is
    the step from which it went on."""
    process = subprocess.Popen(kind.command(out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not [*out.glob("*/*/states/*.safetensors")]:
        time.sleep(0.005)
    time.sleep(after)
    process.kill()
    process.wait()
    run = run_in(out)
    subprocess.run([*DLC, "--resume", str(run)], check=True, capture_output=True)
    return run, json.loads((run / "run.json").read_text())["resumed"][-1]


def differences(a: Path, b: Path) -> list[str]:
    """The files in which two runs differ, of those that may not."""
    found = [name for name in FILES if (a / name).read_bytes() != (b / name).read_bytes()]
    return found + ["metrics.jsonl"] * (epochs(a) != epochs(b))


def epochs(run: Path) -> list[dict[str, object]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name not in TIMES} for line in lines]


def main(asked: list[str]) -> int:
    moments = int(asked[0]) if asked else 100
    rng, failed = random.Random(0), 0
    print("| kind | killed | resumed after steps | other bits |\n|---|---|---|---|")
    for place, (name, kind) in enumerate(KINDS.items()):
        with TemporaryDirectory() as folder:
            whole, seconds = run_whole(kind, Path(folder) / "whole")
            steps, bad = [], 0
            for number in range(place, moments, len(KINDS)):
                run, step = run_killed(kind, Path(folder) / str(number), rng.uniform(0, seconds))
                steps.append(step)
                bad += bool(differences(whole, run))
            failed += bad
            print(f"| {name} | {len(steps)} | {min(steps)} to {max(steps)} | {bad} |", flush=True)
    return int(failed > 0)
