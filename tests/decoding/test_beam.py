"""Beam search: equal to a search with lists that computes every continuation anew from its whole prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from decoded_specs import MOST, STEPS, drawn, onnx_answers, prompts, sequences

import dlc
from dlc.compiler.passes.specialize import inference
from dlc.runtime.artifact.torch_reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Scores = Callable[[list[list[int]]], np.ndarray]  # log-probabilities of the symbols that may follow each


def searched(scores: Scores, width: int, end: int | None) -> tuple[float, list[int]]:
    """The most probable of the sequences that a beam search finds, and its log-probability."""
    beams: list[tuple[float, list[int]]] = [(0.0, [])]
    for _ in range(MOST):
        grown = [beam for beam in beams if ended(beam[1], end)]
        going = [beam for beam in beams if not ended(beam[1], end)]
        for (total, said), following in zip(going, scores([said for _, said in going]), strict=True):
            grown += [(total + float(p), [*said, k]) for k, p in enumerate(following)]
        beams = sorted(grown, key=lambda beam: -beam[0])[:width]
        if all(ended(said, end) for _, said in beams):
            break
    return beams[0]


def ended(said: list[int], end: int | None) -> bool:
    return said[-1:] == [end]


def cut(answers: np.ndarray, end: int | None) -> list[list[int]]:
    """The rows of an answer, up to their end."""
    rows = answers.tolist()
    return [row[: row.index(end) + 1] if end in row else row for row in rows]


def log(probabilities: torch.Tensor) -> np.ndarray:
    return probabilities.detach().double().clamp(min=1e-60).log().numpy()


def of_spelling(program: dlc.Program, weights: Mapping[str, np.ndarray], spelling: torch.Tensor) -> Scores:
    """The scores of one row, by the training form."""
    whole = program.torch("train", weights)

    def scores(said: list[list[int]]) -> np.ndarray:
        target = torch.tensor([[*row, 0] for row in said])  # of the last step, which nothing reads
        rows = spelling.expand(len(said), -1)
        return log(whole({"spelling": rows, "sounds": target})["sounds_probabilities"][:, -1])

    return scores


SPELLING = torch.randint(8, (5, 4), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("steps", STEPS)
def test_the_answers_are_those_of_a_search_with_lists(steps: str) -> None:
    program = dlc.compile(text=sequences(steps, "beam, width=4"))
    weights = drawn(program, 1)
    wanted = [searched(of_spelling(program, weights, row), 4, end=6)[1] for row in SPELLING]
    assert cut(program.torch("infer", weights)({"spelling": SPELLING})["sounds"].numpy(), 6) == wanted
    assert cut(onnx_answers(program, weights, {"spelling": SPELLING.numpy()}), 6) == wanted


@pytest.mark.parametrize("steps", STEPS)
def test_prompts_are_continued_as_by_a_search_with_lists(steps: str) -> None:
    program = dlc.compile(text=prompts(steps, "beam, width=3"))
    weights = drawn(program, 2)
    prompt = torch.randint(9, (3, 5), generator=torch.Generator().manual_seed(0))
    whole = program.torch("train", weights)

    def scores_after(row: torch.Tensor) -> Scores:
        def scores(said: list[list[int]]) -> np.ndarray:
            steps = torch.tensor(said, dtype=torch.long).reshape(len(said), -1)
            made = whole({"text": torch.cat([row.expand(len(said), -1), steps], 1)})
            return log(made["next_probabilities"][:, -1])

        return scores

    wanted = [searched(scores_after(row), 3, end=None)[1] for row in prompt]
    assert onnx_answers(program, weights, {"text": prompt.numpy()}).tolist() == wanted


@pytest.mark.parametrize("width", (1, 2, 9, 40))
def test_any_width_finds_what_a_search_with_lists_finds(width: int) -> None:
    """Also more beams than classes. One beam is greedy."""
    program = dlc.compile(text=sequences("gru(16)", f"beam, width={width}"))
    weights = drawn(program, 5)
    weights["speak.dense.bias"][6] += 3  # more ends
    wanted = [searched(of_spelling(program, weights, row), width, end=6)[1] for row in SPELLING]
    answers = onnx_answers(program, weights, {"spelling": SPELLING.numpy()})
    assert cut(answers, 6) == wanted
    assert len({len(row) for row in wanted}) > 1
    if width == 1:
        greedy = dlc.compile(text=sequences("gru(16)"))
        assert (onnx_answers(greedy, weights, {"spelling": SPELLING.numpy()}) == answers).all()


def test_a_wide_search_finds_more_probable_answers_than_greedy() -> None:
    """Over many weights, some answers are more probable; a width that keeps everything finds the best."""
    gains = []
    for seed in range(6):
        program = dlc.compile(text=sequences("gru(16)", "beam, width=8"))
        weights = drawn(program, seed)
        scores = [of_spelling(program, weights, row) for row in SPELLING]
        gains += [searched(s, 8, end=6)[0] - searched(s, 1, end=6)[0] for s in scores]
    assert max(gains) > 0.1


def test_rows_do_not_depend_on_their_neighbours() -> None:
    program = dlc.compile(text=prompts(STEPS[-1], "beam, width=4", lengths=True))
    weights, lengths = drawn(program, 3), np.array([2, 6, 1, 4])
    given = np.random.default_rng(0).integers(0, 9, (4, 6))
    together = onnx_answers(program, weights, {"text": given, "text_length": lengths})
    for row, length in enumerate(lengths):
        alone = {"text": given[row : row + 1, :length], "text_length": lengths[row : row + 1]}
        assert (onnx_answers(program, weights, alone)[0] == together[row]).all()


def test_a_batch_without_rows_has_no_answers() -> None:
    program = dlc.compile(text=prompts(STEPS[-2], "beam, width=4", lengths=True))
    none = {"text": np.zeros((0, 3), np.int64), "text_length": np.zeros(0, np.int64)}
    assert len(onnx_answers(program, drawn(program, 3), none)) == 0


def test_only_near_ties_are_excused() -> None:
    """The reference of the parity check accepts other answers of few rows, and those are close calls."""
    program = dlc.compile(text=sequences("gru(16)", "beam, width=4"))
    weights = drawn(program, 5)
    spelling = np.random.default_rng(1).integers(0, 8, (200, 6))
    reference = Reference(inference(program.compiled), weights)
    answer = reference({"spelling": spelling})["sounds"]
    have = onnx_answers(program, weights, {"spelling": spelling})
    assert answer.differs(have) == 0
    slack = np.zeros(1) if answer.slack is None else answer.slack
    assert np.isinf(slack).any(-1).mean() < 0.05
    wrong = have.copy()
    wrong[:, 0] = (wrong[:, 0] + 1) % 7
    assert answer.differs(wrong) > 0


def test_ties_are_excused() -> None:
    """Without weights all continuations are equal."""
    program = dlc.compile(text=sequences("gru(16)", "beam, width=4"))
    weights = {name: 0 * array for name, array in drawn(program, 5).items()}
    answer = Reference(inference(program.compiled), weights)({"spelling": SPELLING.numpy()})["sounds"]
    assert answer.slack is not None
    assert np.isinf(answer.slack).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [("width=0", "at least 1 and at most 1000, found `0`"), ("width=2.5", "a whole number .*, found `2.5`")],
)
def test_a_width_that_cannot_be_is_an_error(settings: str, message: str) -> None:
    with pytest.raises(dlc.CompileError, match=message):
        dlc.compile(text=sequences("gru(16)", f"beam, {settings}"))
