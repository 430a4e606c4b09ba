"""What `vocabulary` and `tokenize` learn: the numbers of texts and words, or a tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN, MISSING = 0, -1  # the class of what is not in the vocabulary, and that of a missing text
MAX_SPELLINGS = 1_000_000  # of a vocabulary
# The white space of Unicode, as `str.split` defines it. The space comes last: it is the most frequent.
WHITE_SPACE = "\n\t\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + \
              "\u2028\u2029\u202f\u205f\u3000 "  # fmt: skip


@record
class Vocabulary:
    """The classes of texts or of words: `count` of them, with class 0 for the unknown. Each of the
    `spellings` has the class at the same place of `numbers`; several spellings may be one class. If a
    `tokenizer` makes the classes, it is the text of its `tokenizer.json`, and there are no spellings."""

    count: int
    spellings: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    tokenizer: str = ""


@record
class Reading:
    """How a text is read. `key` names what is learnt: uses of a net share it. `field` is the name that the
    classes have among the fields of rows, and that of the dimension of tokens. The vocabulary is None until
    it is known. A batch of tokens has `least` places at least, because operators behind need them."""

    key: str
    field: str
    vocabulary: Vocabulary | None = None
    least: int = 1

    @property
    def name(self) -> str:
        """The name of the node in its namespace."""
        return self.key.rpartition(".")[2]


def learnt(counts: Mapping[str, int], *, most: int | None, least: int, lowercase: bool) -> Vocabulary | None:
    """The vocabulary of texts or words with these counts; None if there are none. It has those that occur at
    least `least` times, at most `most` of them, the most frequent first, and equally frequent ones in the
    order of their code points. ValueError if there are too many.

    With `lowercase`, a word is known in lower case, with a capital, in capitals, and as it is spelled among
    the counts. Each of these spellings is the same word in lower case; any other spelling is unknown. So a
    table says which word a spelling is, and no program that reads it has to change the case of letters.
    """
    total: dict[str, int] = {}
    for text, count in counts.items():
        word = text.lower() if lowercase else text
        total[word] = total.get(word, 0) + count
    often = (word for word, count in total.items() if count >= least)
    kept = sorted(often, key=lambda word: (-total[word], word))[:most]
    number = {word: place for place, word in enumerate(kept, UNKNOWN + 1)}
    table = dict(number)
    if lowercase:
        seen = [text for text in counts if text.lower() in number]
        made = [spelling for word in kept for spelling in (word[:1].upper() + word[1:], word.upper())]
        table |= {text: number[word] for text in (*seen, *made) if (word := text.lower()) in number}
        table = dict(sorted(table.items(), key=lambda entry: (entry[1], entry[0])))
    if len(table) > MAX_SPELLINGS:
        raise ValueError(f"there are more than {MAX_SPELLINGS:_} different words, or spellings of words")
    return Vocabulary(len(kept) + 1, tuple(table), tuple(table.values())) if counts else None
