"""Writes `number_words.csv.gz`, numbers in English words and in digits:
`python specs/data/number_words.py`."""

import random
from collections.abc import Iterator
from itertools import islice

import gzipped

NUMBERS, ZERO = 14_000, 0.3
SMALL = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen"""
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


def in_words(number: int) -> str:
    """As British English says it: `two thousand three hundred and five`."""
    if number < 20:
        return SMALL.split()[number]
    if number < 100:
        return joined(TENS.split()[number // 10 - 2], number % 10, " ")
    if number < 1000:
        return joined(f"{in_words(number // 100)} hundred", number % 100, " and ")
    rest = number % 1000
    return joined(f"{in_words(number // 1000)} thousand", rest, " and " if rest < 100 else " ")


def joined(words: str, rest: int, between: str) -> str:
    return words + between + in_words(rest) if rest else words


def numbers(rng: random.Random) -> Iterator[int]:
    """Numbers of four to six digits, of which many are 0."""
    while True:
        others = ("0" if rng.random() < ZERO else rng.choice("123456789") for _ in range(rng.randint(3, 5)))
        yield int(rng.choice("123456789") + "".join(others))


def main() -> None:
    found = list(islice(dict.fromkeys(islice(numbers(random.Random(1)), 10 * NUMBERS)), NUMBERS))
    gzipped.write(
        "number_words.csv.gz", ("words", "digits"), ((in_words(number), number) for number in found)
    )


if __name__ == "__main__":
    main()
