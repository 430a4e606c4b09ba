"""Tokens of texts, for artifacts that take the numbers of tokens in place of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.passes.lengths import length_name
from dlc.compiler.static import is_text
from dlc.compiler.types import Tensor
from dlc.runtime.data.columns.python_columns import as_array
from dlc.runtime.data.sequences.ragged import Ragged, array_of
from dlc.runtime.errors import ArtifactError
from dlc.runtime.subwords import Subwords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.runtime.artifact.opened import OpenArtifact
    from dlc.runtime.data import InMemoryRows

TEXT = Tensor("string")


def text_types(artifact: OpenArtifact) -> dict[str, Tensor]:
    """The types of the inputs that rows fill: of texts in place of those of their tokens."""
    texts = {name: given["text"] for name, given in artifact.metadata.tokenizers.items()}
    return {texts.get(name, name): TEXT if name in texts else type for name, type in artifact.fields.items()}


def in_rows(artifact: OpenArtifact, rows: InMemoryRows) -> InMemoryRows:
    """Rows of texts with the tokens that the artifact takes."""
    made = {name: tokens_of(artifact, name, array_of(rows[given["text"]]).tolist())
            for name, given in artifact.metadata.tokenizers.items()}  # fmt: skip
    lengths = {length_name(name): tokens.lengths for name, tokens in made.items()}
    return rows.with_arrays(made, lengths) if made else rows


def of_given(artifact: OpenArtifact, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `predict` with the tokens of given texts. Tokens that are given are taken as they
    are."""
    made = dict(given)
    for name, how in artifact.metadata.tokenizers.items():
        if how["text"] not in given and name not in given:
            takes = f"the model takes it as text, or its tokens as `{name}`"
            raise ArtifactError(f"the input `{how['text']}` is missing: {takes}")
        if name in given:
            continue
        texts = as_array(given[how["text"]])
        if texts.ndim != 1 or not all(isinstance(text, str) for text in texts.tolist()):
            raise ArtifactError(f"`{how['text']}` takes {TEXT}, one text a row")
        if not all(map(is_text, texts.tolist())):
            raise ArtifactError(f"`{how['text']}` takes {TEXT}: a value is not text in UTF-8")
        made[name] = tokens_of(artifact, name, texts.tolist())
    taken = {how["text"] for how in artifact.metadata.tokenizers.values()} - artifact.inputs.keys()
    return {name: value for name, value in made.items() if name not in taken}


def tokens_of(artifact: OpenArtifact, name: str, texts: list[str]) -> Ragged:
    """The tokens of texts for an input. `ArtifactError` if its tokenizer cannot read them."""
    given = artifact.metadata.tokenizers[name]
    try:
        rows = Subwords(given["tokenizer"], given["max_length"]).tokens(texts)
    except ValueError as error:
        message = f"{artifact.path} cannot read texts: its tokenizer is not valid: {error}"
        raise ArtifactError(message) from None
    return Ragged.of_numbers(rows)
