"""Answers made step by step: the loop of the artifact against `generate` of transformers, against a loop in
Python around a model of one step, and against torch. Times are processor seconds of one thread."""

from __future__ import annotations

import time
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import dlc
from benchmarks import decoding_rivals as rivals
from benchmarks.one_thread import in_runtime, one_thread
from benchmarks.timing import Comparison, Effort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.one_thread import Answer
    from benchmarks.timing import Sample

CLASSES, LAYERS, PROMPT, LONGEST = 128, 2, 16, 288
GPT = """
input  text: class({classes})[T]
output next: class({classes})[T]

block layer(x) {{
  x = x + (x -> layernorm -> attention({heads}, causal=true))
  return x + (x -> layernorm -> dense({hidden}) -> gelu -> dense({width}))
}}

text -> embedding({width}) -> position_embedding({longest}) -> repeat({layers}, layer) -> layernorm
  -> dense({classes}, bias=false) -> next

data {{ source = text("some.txt", window=16) }}
export {{ decode = greedy(next, max={most}) }}
"""


def compare(effort: Effort) -> Iterator[Comparison]:
    with one_thread():
        for batch in (1,) if effort.quick else (1, 8):
            yield from compare_gpt(effort, batch)
        yield compare_wide(effort)
        yield compare_places(effort, 1, asked=2)
        if not effort.quick:
            yield compare_places(effort, 8, asked=0)
        for batch in (1,) if effort.quick else (1, 8):
            yield compare_speller(effort, batch)


def compare_answers(ours: Answer, theirs: Answer, given: np.ndarray, effort: Effort, more: int) -> Any:
    """Fails if a token differs."""
    np.testing.assert_array_equal(ours(given), theirs(given))
    both = (partial(processor_seconds, partial(answer, given)) for answer in (ours, theirs))
    return Effort(effort.quick).time(*both, more=more)


def processor_seconds(work: Callable[[], object]) -> float:
    """Seconds that this process computes, which other programs change little."""
    began = time.process_time()
    work()
    return time.process_time() - began


def drawn(program: dlc.Program) -> dict[str, np.ndarray]:
    """Random weights that make the best scores differ by more than rounding, and texts that do not repeat."""
    rng, found = np.random.default_rng(0), {}
    for name, array in program.weights().items():
        spread = 1 if "embedding" in name else 0.3 if array.ndim == 1 else 1.5 / np.sqrt(array.shape[1])
        found[name] = (array + spread * rng.standard_normal(array.shape)).astype(np.float32)
    return found


# --- a language model -------------------------------------------------------------------------------------


def gpt(width: int, heads: int, most: int) -> dlc.Program:
    sizes = {"classes": CLASSES, "layers": LAYERS, "longest": LONGEST, "hidden": 4 * width}
    return dlc.compile(text=GPT.format(**sizes, width=width, heads=heads, most=most))


def prompts(batch: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, CLASSES, (batch, PROMPT))


def compare_gpt(effort: Effort, batch: int) -> Iterator[Comparison]:
    width, heads, most = 128, 4, 8 if effort.quick else 64
    program, given = gpt(width, heads, most), prompts(batch)
    weights = drawn(program)
    ours = in_runtime(program.onnx(weights).SerializeToString())
    what = f"{most} tokens of GPT {LAYERS} x {width}, batch {batch}, in ONNX Runtime"
    for against, theirs, asked, more in (
        ("`generate` of transformers", rivals.by_generate(weights, LAYERS, heads, most), 4, 2),
        ("a loop in Python around a model of one step", rivals.by_steps(weights, LAYERS, heads, most), 1, 8),
        ("the torch form of dlc", in_torch(program, weights), 0, 4),
    ):
        timing = compare_answers(ours, theirs, given, effort, more)
        yield Comparison(what, against, timing, asked, tokens=batch * most)


def in_torch(program: dlc.Program, weights: dict[str, np.ndarray]) -> Answer:
    module = program.torch("infer", weights)

    def answer(text: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return module({"text": torch.from_numpy(text)})["next"].numpy()

    return answer


def compare_wide(effort: Effort) -> Comparison:
    """Where the matrices take most of the time, so that a loop can win little."""
    width, heads, most = 512, 8, 8 if effort.quick else 256
    program = gpt(width, heads, most)
    weights = drawn(program)
    ours = in_runtime(program.onnx(weights).SerializeToString())
    theirs = rivals.by_steps(weights, LAYERS, heads, most)
    timing = compare_answers(ours, theirs, prompts(1), effort, 3)
    what = f"{most} tokens of GPT {LAYERS} x {width}, batch 1, in ONNX Runtime"
    return Comparison(what, "a loop in Python around a model of one step", timing, 0.9, tokens=most)


# --- a late token and an early one ------------------------------------------------------------------------

EARLY, LATE, AROUND = 16, 256, 8  # tokens, and how many before and after them are timed
TURNS = 3  # of each answer in a sample


def compare_places(effort: Effort, batch: int, asked: float) -> Comparison:
    """The time of a token, from the difference of answers that end before and after it."""
    late, early = (token_at(place, batch) for place in (LATE, EARLY))
    timing = Effort(effort.quick).time(late, early, more=3)
    what = f"token {LATE} of GPT {LAYERS} x 128, batch {batch}, in ONNX Runtime"
    return Comparison(what, f"token {EARLY}", timing, asked, costs=True)


def token_at(place: int, batch: int) -> Sample:
    """Each sample opens both models again, because where their memory lies changes the difference."""
    models = []
    for most in (place - AROUND, place + AROUND):
        program = gpt(128, 4, most)
        models.append(program.onnx(drawn(program)).SerializeToString())
    given = prompts(batch)[:, :1]

    def sample() -> float:
        short, long = (partial(in_runtime(model), given) for model in models)
        short(), long()
        took = [median(map(processor_seconds, [work] * TURNS)) for work in (short, long, long, short)]
        return (took[1] + took[2] - took[0] - took[3]) / (4 * AROUND)

    return sample


# --- an encoder and a decoder -----------------------------------------------------------------------------

SPELLER = """
input  spelling: class(30)[S]
output sounds: class(40)[T]

memory = spelling -> embedding(96) -> gru(128, bidirectional=true)

net speak(said, memory) {{
  heard = said -> embedding(96) -> gru(128)
  found = heard -> attention(memory, heads=4)
  return (heard, found) -> concat(axis=-1) -> dense(sounds.classes)
}}

speak(shift(sounds.target), memory) -> sounds
export {{ decode = greedy(sounds, max={most}) }}
"""
LETTERS = 12


def compare_speller(effort: Effort, batch: int) -> Comparison:
    """All steps are made, because the end has a low score."""
    most = 8 if effort.quick else 32
    program = dlc.compile(text=SPELLER.format(most=most))
    weights = drawn(program)
    weights["speak.dense.bias"][-1] = -1e4
    given = np.random.default_rng(1).integers(0, 30, (batch, LETTERS))
    ours = in_runtime(program.onnx(weights).SerializeToString())
    timing = compare_answers(ours, rivals.by_modules(weights, 4, most), given, effort, 6)
    what = f"{most} steps of a GRU with attention, batch {batch}, in ONNX Runtime"
    return Comparison(what, "a loop around modules in torch", timing, 0, tokens=batch * most)
