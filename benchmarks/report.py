"""The page that a run writes: the table, the machine and the package versions."""

from __future__ import annotations

import os
import platform
import re
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.timing import Comparison, Sweep
from dlc.runtime.memory import format_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PAGE = """\
# Benchmarks

`python -m benchmarks` writes this page. It needs `pip install ".[test]"` and takes about half an hour;
`python -m benchmarks training` measures one part and writes its section. `--quick` runs everything in two
minutes, on little data, and writes nothing.

{sections}

## Method

The two candidates of a row are timed alternately, A B B A, at least ten times each, after one run
that does not count. Times are medians. The ratio is that of the medians: how many times as fast dlc is,
or how many times as long it takes. The noise floor compares each candidate with itself: the median of
every second sample with the median of the others; the larger of the two ratios counts. A ratio that
misses its target by less than the noise floor is marked "within the noise". While other programs use
more than a tenth of the machine, the benchmark waits and repeats samples, for up to `--patience` seconds
per row.

- **A cold process**: a whole process from start to end; byte code is already written.
- **Training**: from the file of the rows to trained weights, without the start of Python and its
  imports: reading, batches, forward, backward, optimizer. Network, optimizer, learning rate and batch
  are the same; each side chooses its number of threads. The script is that of the PyTorch tutorials: a
  `Dataset`, a `DataLoader` that shuffles, `zero_grad`, `backward`, `step`, and the sum of `loss.item()`.
  Only the time of dlc includes compiling the spec, and computing loss and accuracy of the rows in the
  inference form at the end.
- **Writing ONNX**: from a compiled program and its weights, or from a module in memory, to a file with a
  dynamic batch, without the parity check of `dlc train` and `dlc export`. The program is compiled each
  time; this does not count.
- **ONNX Runtime**: both files with the same inputs and outputs (the class and all probabilities), on the
  CPU with default options. After the optimization by ONNX Runtime, both have the same expensive nodes,
  so the expected ratio is 1.
- **Training on sequences**: as training, from the same initial weights, on one thread. Texts have 3 to 120
  words, the median 20. The script pads with `pad_sequence` in a `collate_fn` and runs the LSTM on
  `pack_padded_sequence`. Tokens are words without padding; their number a second is that of the whole
  training. dlc puts rows of similar length into a batch, so that steps on short rows see fewer words, and
  an epoch learns a little less: both losses are those of all rows after the training. The benchmark fails if
  they differ by more than a quarter.
- **Recurrent layers in ONNX Runtime**: `x -> lstm(64) -> dense(10) -> y` on `float[T, 64]`, exported for any
  length, against `nn.LSTM` and `nn.Linear` with the same weights in evaluation mode, under
  `torch.inference_mode`, both on one thread. Each cell of the table is the ratio for one shape, from six
  samples of each; the answers are compared before.
- **Training a transformer**: as training, from the same initial weights, on one thread. The text is Python's
  manual. The script has one projection for queries, keys and values, and calls
  `scaled_dot_product_attention`. Tokens are characters. The benchmark fails if the losses of all rows after
  the training differ by more than a twentieth; those of the trainings in bf16 and float32, by more than a
  hundredth. It is asked to be faster in bf16 only where the processor computes a dense layer faster in it.
- **Transformers in ONNX Runtime**: as recurrent layers, from numbers of characters to their scores, against
  the module of the script, and against the file that `torch.onnx.export` makes of it for any batch and
  length.
- **Answers made step by step**: `decode = greedy(...)` with random weights. All candidates have the same
  weights, and the benchmark fails if one token differs. A prompt has 16 tokens. `generate` runs GPT-2 of the
  package `transformers` with its cache, without gradients. The model of one step is written by hand, with
  one matrix for queries, keys and values, and no node that one step does not need; a loop in Python feeds
  the keys and values back to it. The time of token 256 is the difference of answers of 320 and 192 tokens
  to a prompt of one, divided by 128; that of token 16 is the difference of 24 and 8, divided by 16. Each step
  copies the keys and values so far, which takes most of the time of late tokens where there are 8 rows. Times
  are processor seconds of one thread.
- **First specs**: `python -m benchmarks new` measures them alone. `dlc new` sees the training rows, 80 % of
  the table, and writes a spec, which is trained as it is written; a share of these rows is its validation.
  The boosting is the better one of `HistGradientBoosting` and, up to 10,000 rows without missing values,
  `GradientBoosting` of scikit-learn with their defaults, fitted to the same rows. Scores are of the same test
  rows, medians of three splits. The measure is accuracy, or r2 of numbers; `ratio` is that of both, and
  `errors` that of the wrong answers, or of the variance that is not explained. Training is processor time on
  one thread, with export and parity check. The network was chosen on other tables. The digits are PNG files;
  the boosting takes their pixels.

- **Larger than memory**: a training of one epoch, from the Parquet file to the verified artifact, with
  `memory="1G"` in a process of its own. Anonymous memory (`RssAnon`) is sampled every 20 ms; that of the
  imports does not count. The times of the second row are those of the epoch alone.

The networks, the script and the data are in [`benchmarks/`](../benchmarks).
"""
PACKAGES = ("torch", "torchvision", "onnx", "onnxscript", "onnx-ir", "onnxruntime-gpu", "onnxruntime",
            "transformers", "scikit-learn", "river", "numpy", "lark", "click")  # fmt: skip


TITLES = {
    "start": "A cold process",
    "training": "Training",
    "exporting": "Export",
    "recurrent": "Recurrent networks",
    "transformers": "Transformers",
    "decoding": "Answers made step by step",
    "new": "First specs",
    "memory": "Larger than memory",
}


def page(parts: Mapping[str, str]) -> str:
    """The page with these sections, by part."""
    sections = (f"## {TITLES[part]}\n\n{parts[part]}" for part in TITLES if part in parts)
    return PAGE.format(sections="\n\n".join(sections))


def sections(page: str) -> dict[str, str]:
    """The sections of a page, by part."""
    found = (
        re.search(rf"^## {title}\n\n(.*?)\n\n## ", page, re.DOTALL | re.MULTILINE)
        for title in TITLES.values()
    )
    return {part: match[1] for part, match in zip(TITLES, found, strict=True) if match}


def section(measured: Sequence[Comparison | Sweep]) -> str:
    """The results of one part."""
    tables = [table(measured), *(ratios(sweep) for sweep in measured if isinstance(sweep, Sweep))]
    where = f"Measured on {date.today().isoformat()}: {machine()}; {versions()}."
    return "\n\n".join([*tables, where])


def table(measured: Sequence[Comparison | Sweep]) -> str:
    lines = [
        "| what | dlc | against | takes | ratio | asked | met | noise floor |",
        "|---|--:|---|--:|--:|--:|---|--:|",
    ]
    return "\n".join([*lines, *map(row, measured)])


def row(c: Comparison | Sweep) -> str:
    is_size = isinstance(c, Comparison) and c.is_size
    unit, bound = ("x the time", "at most") if c.costs else ("x as fast", "at least")
    unit = "x the memory" if is_size else unit
    ours, theirs = (format_size(of) if is_size else speed(of, c.tokens, c.counted) for of in c.times)
    return (f"| {c.what} | {ours} | {c.against} | {theirs} "
            f"| {number(c.ratio)} {unit} | {f'{bound} {c.asked:g}' if c.asked else '-'} | {c.met} "
            f"| {c.noise:.2f} |")  # fmt: skip


def speed(seconds: float, tokens: int, counted: str) -> str:
    rate = f" ({tokens / seconds:_.0f} {counted} a second)" if tokens else ""
    return duration(seconds) + rate


def ratios(sweep: Sweep) -> str:
    """The ratio for each shape."""
    columns = list(dict.fromkeys(column for _, column in sweep.timings))
    rows = list(dict.fromkeys(row for row, _ in sweep.timings))
    lines = [f"| {' | '.join([sweep.corner, *columns])} |", "|---|" + "--:|" * len(columns)]
    lines += (
        f"| {' | '.join([row, *(number(sweep.ratios[row, column]) for column in columns)])} |" for row in rows
    )
    return "\n".join(lines)


def number(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def duration(seconds: float) -> str:
    for unit, size in (("s", 1), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"


def machine() -> str:
    """The number and kind of the processors, and the system."""
    return f"{os.cpu_count()} cores of {processor()}, {platform.system()}"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
