"""Metrics of texts, over all rows together: counts are summed over the rows. `class_texts` says what the text
of a sequence of classes is."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import Keyword, Nothing, OneOf
from dlc.compiler.training.metrics import State
from dlc.compiler.training.sequence_metrics import OfSequences, edits
from dlc.compiler.types import Tensor


class _OfTexts(OfSequences, abstract=True):
    """A metric of the texts of answers and targets."""

    @abstractmethod
    def compare_texts(self, np: Any, state: State, answers: list[str], targets: list[str]) -> None:
        """Add the texts of a batch."""
        raise NotImplementedError

    def compare(self, np, state, answers, targets):
        if len(targets[0]):
            self.compare_texts(np, state, state.texts.of_rows(*answers), state.texts.of_rows(*targets))


class WordErrorRate(_OfTexts):
    """Insertions, deletions and substitutions of words that turn the answers into their targets, divided by
    the number of words of the targets (torchmetrics `WordErrorRate`, jiwer `wer`).

    Words are what stands between white space in the text of a row. Both numbers are of all rows together. It
    is NaN if no target has a word.
    """

    usage = """
    input  words: class(1000)[12]
    output said: class(auto)[12]

    words -> embedding(32) -> dense(64) -> relu -> dense(said.classes) -> said

    train { metrics = [accuracy, word_error_rate] }
    """
    better = "lower"

    def compare_texts(self, np, state, answers, targets):
        numbers: dict[str, int] = {}
        answers, targets = (numbered(np, texts, numbers) for texts in (answers, targets))
        state.add(sum=int(edits(np, *answers, *targets).sum()), all=int(targets[1].sum()))

    def value(self, np, state):
        return state.mean()


class _OfSacrebleu(_OfTexts, abstract=True):
    """A metric of the package sacrebleu, of 0 to 100; NaN without rows."""

    package = "sacrebleu"

    @abstractmethod
    def scorer(self) -> Any:
        """The metric of sacrebleu. Its statistics of a row are a list of counts."""
        raise NotImplementedError

    def import_package(self):
        self.scorer()

    def compare_texts(self, np, state, answers, targets):
        rows = self.scorer()._extract_corpus_statistics(answers, [targets])
        state.add(counted=np.sum(rows, axis=0))

    def value(self, np, state):
        if "counted" not in state.counts:
            return float("nan")
        return float(self.scorer()._compute_score_from_stats(state.counts["counted"].tolist()).score)


class Bleu(_OfSacrebleu):
    """BLEU of the texts of all rows, from 0 to 100, as sacrebleu computes it by default (Papineni et al.
    2002; Post 2018; torchmetrics `SacreBLEUScore`).

    It is what the command `sacrebleu` prints for the texts of answers and targets: up to 4 words in sequence,
    exponential smoothing, capital letters count. `tokenize="13a"` separates punctuation from words, so scores
    of models by characters and by words can be compared with each other and with published ones.
    `tokenize=none` takes the words as white space separates them, for classes that are tokens already. It
    needs the package sacrebleu: `pip install "dlc[text]"`.
    """

    usage = """
    input  words: class(1000)[12]
    output said: class(auto)[12]

    words -> embedding(32) -> dense(64) -> relu -> dense(said.classes) -> said

    train { metrics = [accuracy, bleu] }
    """

    tokenize: str | None = setting(
        "how sacrebleu splits a text into words: `13a` as the WMT tasks do, `intl` by all punctuation of "
        "Unicode, `zh` also between Chinese characters, `char` into characters; `none` at white space only",
        OneOf(Keyword("13a", "intl", "zh", "char"), Nothing()),
        "13a",
        keyword=True,
    )

    def counts(self, type: Tensor) -> int:
        return 10

    def scorer(self):
        from sacrebleu import BLEU

        return BLEU(tokenize=self.tokenize or "none", force=True)  # `force` leaves its warnings out


class Chrf(_OfSacrebleu):
    """chrF of the texts of all rows, from 0 to 100, as sacrebleu computes it by default (Popović 2015;
    torchmetrics `CHRFScore`).

    The F-score of up to 6 characters in sequence, without white space, where recall counts twice as much as
    precision (chrF2). It needs no words, so it suits languages that write none. It needs the package
    sacrebleu: `pip install "dlc[text]"`.
    """

    usage = """
    input  letters: class(auto)[12]
    output said: class(auto)[12]

    letters -> embedding(32) -> dense(64) -> relu -> dense(said.classes) -> said

    train { metrics = [accuracy, chrf] }
    """

    def counts(self, type: Tensor) -> int:
        return 18

    def scorer(self):
        from sacrebleu import CHRF

        return CHRF()


def numbered(np: Any, texts: list[str], numbers: dict[str, int]) -> tuple[Any, Any]:
    """The words of texts as sequences of numbers, -1 after them, and how many they are. A word that has no
    number gets the next one."""
    rows = [[numbers.setdefault(word, len(numbers)) for word in text.split()] for text in texts]
    lengths = np.array([len(row) for row in rows], np.int64)
    found = np.full((len(rows), int(lengths.max(initial=0))), -1, np.int64)
    found[np.arange(found.shape[1]) < lengths[:, None]] = [number for row in rows for number in row]
    return found, lengths
