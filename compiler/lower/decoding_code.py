"""The method of an emitted model that makes an answer step by step.

Each step computes the scores of all steps so far from the answers before it. The artifact carries what it
computed for earlier steps instead; the answers are the same.
"""

from __future__ import annotations

from textwrap import fill, indent
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import GraphInput
from dlc.compiler.lower.python_code import WIDTH, call, lines, signature, text
from dlc.compiler.passes.decoding import prompt_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.ir.graph import Output
    from dlc.compiler.lower.pytorch_source.split import NetworkAndLosses

NAMES = ("made", "best", "ended", "before")  # the local names of the method
INDENT = " " * 8


def decoding_lines(output: Output, names: Mapping[GraphInput, str], split: NetworkAndLosses) -> Iterator[str]:
    """The lines of the method. `names` are those of the inputs and targets that `forward` takes."""
    classes = output.declared.classes
    assert classes is not None
    assert output.decoder is not None
    target = output.target_value
    is_prompt = target not in names
    scores = split.graph.outputs[f"{output.name} scores"]
    fed = prompt_of(split.graph, output, scores) if is_prompt else target
    assert isinstance(fed, GraphInput)
    inputs = [name for value, name in names.items() if not value.is_target]
    first = inputs[0]
    given = (text("before" if value is fed else name) for value, name in names.items())
    place = f"[{split.roots.index(scores)}]" if len(split.roots) > 1 else ""
    end = classes.count - 1 if classes.end else None
    yield from ("", "    @torch.no_grad()", *signature(f"    def decode_{output.name}", ["self", *inputs]))
    ends = "" if end is None else f" Class {end} ends a row, also in the targets of a loss."
    words = f'"""Answers `{output.name}` step by step: the class with the highest score.{ends}"""'
    yield from indent(fill(words, WIDTH - len(INDENT)), INDENT).split("\n")
    yield f"{INDENT}made = {first}.new_zeros((len({first}), 0), dtype=torch.long)"
    if end is not None:
        yield f"{INDENT}ended = torch.zeros(len({first}), dtype=torch.bool, device={first}.device)"
    yield f"{INDENT}for _ in range({output.decoder.max}):"
    if is_prompt:
        yield f"{INDENT}    before = torch.cat([{names[fed]}, made], 1)"
    else:
        yield f"{INDENT}    before = F.pad(made, [0, 1])  # the target of this step is not read"
    yield from lines(call(text("self"), *given), 12, "best = ", f"{place}[:, -1].argmax(-1)")
    if end is not None:
        yield f"{INDENT}    best = torch.where(ended, {end}, best)"
    yield f"{INDENT}    made = torch.cat([made, best[:, None]], 1)"
    if end is not None:
        yield f"{INDENT}    ended = best == {end}"
        yield from (f"{INDENT}    if ended.all():", f"{INDENT}        break")
    yield f"{INDENT}return made"
