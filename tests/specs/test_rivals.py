"""The figures of rivals that specs name are those of scikit-learn, or of counts, on the same rows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix, lil_matrix
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge
from sklearn.metrics import r2_score
from sklearn.naive_bayes import MultinomialNB

import dlc
from dlc.runtime.open_rows import open_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dlc.runtime.data.sequences.ragged import Ragged

SPECS = Path(__file__).parents[2] / "specs"


def images(program: dlc.Program) -> Iterator[np.ndarray]:
    """The training and the test images, as floats from 0 to 1."""
    data = open_data(program, None)
    for rows in (data.train, data.test):
        assert rows is not None
        yield np.asarray(rows["image"], np.float64).reshape(-1, 8, 8) / 16


def test_the_error_of_pca() -> None:
    program = dlc.compile(SPECS / "autoencoder_pca.dl")
    train, test = (rows.reshape(-1, 64) for rows in images(program))
    pca = PCA(program.compiled.params["code"]).fit(train)
    error = ((pca.inverse_transform(pca.transform(test)) - test) ** 2).mean()
    assert program.compiled.params["pca"] == pytest.approx(error, rel=1e-3)


def test_the_error_of_the_mean_image_of_each_digit() -> None:
    program = dlc.compile(SPECS / "adversarial_autoencoder.dl")
    train, test = images(program)
    data = open_data(program, None)
    assert data.test is not None
    means = np.stack([train[data.train["digit"] == digit].mean(0) for digit in range(10)])
    error = ((means[data.test["digit"]] - test) ** 2).mean()
    assert program.compiled.params["typical"] == pytest.approx(error, rel=1e-3)


def test_the_perplexity_of_the_frequencies_of_words() -> None:
    program = dlc.compile(SPECS / "bert.dl")
    data = open_data(program, None)
    assert data.test is not None
    train, test = (words[words >= 0] for words in (rows["word"].values for rows in (data.train, data.test)))
    counts = np.bincount(train, minlength=1 + max(train.max(), test.max())) + 1
    perplexity = np.exp(-np.log(counts[test] / counts.sum()).mean())
    assert program.compiled.params["unigram"] == pytest.approx(perplexity, rel=0.01)


def test_the_accuracy_of_a_logistic_regression_on_means() -> None:
    program = dlc.compile(SPECS / "japanese_vowels.dl")
    data = open_data(program, None)
    assert data.test is not None
    x, test_x = (means(rows["recording"]) for rows in (data.train, data.test))
    y, test_y = data.train["speaker"], data.test["speaker"]
    mean, deviation = x.mean(0), x.std(0)
    accuracies = [
        LogisticRegression(C=strength, max_iter=1000)
        .fit((x - mean) / deviation, y)
        .score((test_x - mean) / deviation, test_y)
        for strength in (0.1, 1, 10, 100)
    ]
    assert program.compiled.params["logistic"] == pytest.approx(max(accuracies), abs=1e-4)


def test_the_accuracy_of_naive_bayes() -> None:
    program = dlc.compile(SPECS / "spam.dl")
    data = open_data(program, None)
    assert data.test is not None
    occur = CountVectorizer(token_pattern=r"\S+", binary=True)
    bayes = MultinomialNB().fit(occur.fit_transform(data.train["mail"]), data.train["kind"])
    accuracy = bayes.score(occur.transform(data.test["mail"]), data.test["kind"])
    assert program.compiled.params["bayes"] == pytest.approx(accuracy, abs=1e-3)


def test_specs_with_the_same_rival_have_the_same_rows() -> None:
    one, other = (dlc.compile(SPECS / f"{name}.dl") for name in ("gloss_transformer", "gloss_subwords"))
    data, of_other = open_data(one, None), open_data(other, None)
    assert data.test is not None and of_other.test is not None
    assert np.array_equal(data.test["category"], of_other.test["category"])
    assert one.compiled.params["logistic"] == other.compiled.params["logistic"]


@pytest.mark.slow
def test_the_accuracy_of_a_logistic_regression_on_words() -> None:
    program = dlc.compile(SPECS / "gloss_transformer.dl")
    data = open_data(program, None)
    assert data.test is not None
    words = 1 + max(data.train["gloss"].values)
    x, test_x = (words_that_occur(rows["gloss"], words) for rows in (data.train, data.test))
    y, test_y = data.train["category"], data.test["category"]
    accuracies = [
        LogisticRegression(C=strength, max_iter=1000, tol=1e-3).fit(x, y).score(test_x, test_y)
        for strength in (1, 4, 16)
    ]
    assert program.compiled.params["logistic"] == pytest.approx(max(accuracies), abs=0.002)


def words_that_occur(texts: Ragged, words: int) -> csr_matrix:
    """Which of the words occur in each text."""
    found = lil_matrix((len(texts.lengths), words))
    for row, text in enumerate(steps_of(texts)):
        found[row, text[text >= 0]] = 1
    return csr_matrix(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits_vit", "digits_swin"])
def test_the_accuracy_of_a_logistic_regression_on_pixels(name: str) -> None:
    program = dlc.compile(SPECS / f"{name}.dl")
    data = open_data(program, None)
    assert data.test is not None
    x, test_x = (pixels.reshape(-1, 64) for pixels in images(program))
    y, test_y = data.train["digit"], data.test["digit"]
    accuracies = [
        LogisticRegression(C=strength, max_iter=2000).fit(x, y).score(test_x, test_y)
        for strength in (0.1, 1, 10)
    ]
    assert program.compiled.params["logistic"] == pytest.approx(max(accuracies), abs=4e-3)


def means(sequences: Ragged) -> np.ndarray:
    """The mean of the steps of each row."""
    return np.stack([steps.mean(axis=0) for steps in steps_of(sequences)])


def steps_of(sequences: Ragged) -> Iterator[np.ndarray]:
    rows = zip(sequences.starts, sequences.lengths, strict=True)
    return (sequences.values[start : start + length] for start, length in rows)


def test_the_r2_of_a_poisson_regression_of_all_columns() -> None:
    program = dlc.compile(SPECS / "ft_transformer.dl")
    data = open_data(program, None)
    assert data.test is not None
    x, test_x = (columns(rows) for rows in (data.train, data.test))
    mean, deviation = x.mean(0), x.std(0)
    model = PoissonRegressor(alpha=1e-4, max_iter=1000).fit((x - mean) / deviation, data.train["bikes"])
    r2 = r2_score(data.test["bikes"], model.predict((test_x - mean) / deviation))
    assert program.compiled.params["rival"] == pytest.approx(r2, abs=1e-3)


def columns(rows: Mapping[str, Any]) -> np.ndarray:
    """Numbers as they are, and a column for each class."""
    numbers = [rows[name].reshape(-1, 1) for name in ("celsius", "humidity", "wind")]
    names = [rows[name] for name in ("month", "weekday", "working", "weather", "hour")]
    return np.hstack([*numbers, *(np.eye(int(found.max()) + 1)[found] for found in names)])


def test_the_error_of_a_ridge_regression_of_windows() -> None:
    """Of windows whose mean is 0 and whose deviation is 1, for the best of five strengths."""
    program = dlc.compile(SPECS / "patch_tst.dl")
    data = open_data(program, None)
    assert data.test is not None
    (x, y), (test_x, test_y) = (
        (windows(rows["past"]), windows(rows["co2"])) for rows in (data.train, data.test)
    )
    mean, deviation = (reduce(test_x, axis=1, keepdims=True) for reduce in (np.mean, np.std))
    errors = []
    for strength in (0.1, 1, 10, 100, 1000):
        model = Ridge(alpha=strength).fit(*normalized(x, y))
        answer = mean + deviation * model.predict((test_x - mean) / deviation)
        errors.append(np.abs(answer - test_y).mean())
    assert program.compiled.params["ridge"] == pytest.approx(min(errors), rel=0.01)


def windows(rows: Ragged) -> np.ndarray:
    return np.stack([rows.values[start : start + length] for start, length in
                     zip(rows.starts, rows.lengths, strict=True)]).astype(np.float64)  # fmt: skip


def normalized(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both, by the mean and the deviation of the first."""
    mean, deviation = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True)
    return (x - mean) / deviation, (y - mean) / deviation


def test_the_error_of_product_quantization() -> None:
    program = dlc.compile(SPECS / "vq_vae.dl")
    train, test = images(program)
    errors = []
    for row in (0, 4):
        for column in (0, 4):
            here = np.s_[:, row : row + 4, column : column + 4]
            parts = train[here].reshape(-1, 16), test[here].reshape(-1, 16)
            found = KMeans(program.compiled.params["codes"], random_state=0).fit(parts[0])
            errors.append(((found.cluster_centers_[found.predict(parts[1])] - parts[1]) ** 2).mean())
    assert program.compiled.params["product"] == pytest.approx(np.mean(errors), rel=0.02)


@pytest.mark.parametrize(
    ("name", "param", "order"),
    [("manual", "trigram", 3), ("gpt", "counts", 5), ("llama", "counts", 5), ("char_gpt", "counts", 5)],
)
def test_the_perplexity_of_counted_characters(name: str, param: str, order: int) -> None:
    program = dlc.compile(SPECS / f"{name}.dl")
    found = perplexity_of_counts(program, order)
    assert program.compiled.params[param] == pytest.approx(found, rel=0.01)


@pytest.mark.parametrize("order", [4, 6])
def test_counts_of_five_characters_are_the_best(order: int) -> None:
    program = dlc.compile(SPECS / "gpt.dl")
    assert perplexity_of_counts(program, order) > program.compiled.params["counts"]


def perplexity_of_counts(program: dlc.Program, order: int) -> float:
    """Of the last of so many characters after the others, on the test part."""
    data = open_data(program, None)
    assert data.test is not None
    train, test = (np.concatenate(rows["seen"]).tolist() for rows in (data.train, data.test))
    probability = witten_bell(train, order)
    surprises = [-np.log(probability(*test[k - order : k])) for k in range(order, len(test) + 1)]
    return float(np.exp(np.mean(surprises)))


def witten_bell(text: list[int], order: int) -> Callable[..., float]:
    """The probability of the last of some symbols after the others, from their counts in a text, interpolated
    with that after all but the first."""
    counts = {n: Counter(zip(*(text[k:] for k in range(n)), strict=False)) for n in range(1, order + 1)}
    totals: Counter[tuple[int, ...]] = Counter()
    kinds: Counter[tuple[int, ...]] = Counter()
    for symbols, count in (pair for n in counts for pair in counts[n].items()):
        totals[symbols[:-1]] += count
        kinds[symbols[:-1]] += 1

    def probability(*symbols: int) -> float:
        if not symbols:
            return 1 / len(counts[1])
        before, less = symbols[:-1], probability(*symbols[1:])
        if not totals[before]:
            return less
        return (counts[len(symbols)][symbols] + kinds[before] * less) / (totals[before] + kinds[before])

    return probability
