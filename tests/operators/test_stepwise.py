"""Operators step by step: in the way of the steps of a decoder, each of them gives what it gives for the
whole prefix, in float64, and the engines choose the same symbols; or it is an error."""

from __future__ import annotations

import pytest
import torch
from decoded import Engines, decoded, given, prompted
from engines import run_onnxruntime, run_reference
from in_steps import Case, cases, usable

from dlc.compiler import CompileError, Source, compile

GROUP = 8  # examples in one program

# An example of each operator that has one which can be computed step by step.
ACCEPTED = {
    "abs": "abs along T of int64[T, 4]",
    "adaptive_avgpool": "adaptive_avgpool(2) along 2 of float[2, 3, 4, 5]",
    "add": "a + b along T of float, float[T, 4]",
    "argmax": "argmax(axis=-1, keepdims=true) along T of float[T, 4]",
    "argmin": "argmin(axis=-1, keepdims=true) along T of float[T, 4]",
    "attention": "attention(2) along T of float[T, 4], float[S, 3], float[S, 5]",
    "avgpool": "avgpool(2) along T of float[T, 8]",
    "batchnorm": "batchnorm along T of float[3, T]",
    "bernoulli": "bernoulli along T of float[T, 4]",
    "ceil": "ceil along T of float[T, 4]",
    "celu": "celu along T of float[T, 4]",
    "channel_dropout": "channel_dropout(0.3) along T of float[T, 4]",
    "clip": "clip(0.5, none) along T of float[T, 4]",
    "color_jitter": "color_jitter(0.5, 0.4, 0.3, 0.1) along H of float[3, H, W]",
    "concat": "concat(axis=1) along 2 of float[2, 3, 4], float[2, 1, 4]",
    "conv": "conv(3, 3, padding=causal) along T of float[2, T]",
    "cos": "cos along T of float[T, 4]",
    "crop": "crop(h=3, w=3) along 1 of uint8[1, 6, 6]",
    "cumsum": "cumsum(axis=0) along T of float[T, 4]",
    "dense": "dense(1, [-1.5], weight=[[1, 1]]) along T of float[T, 2]",
    "detach": "detach along T of float[T, 4]",
    "divide": "a / b along 3 of float[3], float[3]",
    "drop_path": "drop_path(0.3) along T of float[T, 4]",
    "dropout": "dropout(0.3) along T of float[T, 4]",
    "elu": "elu along T of float[T, 4]",
    "embedding": "embedding(2, init=uniform(0.1)) along T of class(5)[T]",
    "equal": "a == b along 9 of class(3)[9], class(3)[9]",
    "erf": "erf along T of float[T, 4]",
    "exp": "exp along T of float[T, 4]",
    "flatten": "flatten along 5 of float[5]",
    "floor": "floor along T of float[T, 4]",
    "floor_divide": "a // b along 3 of float[3], float[3]",
    "gather": "gather(axis=-1) along T of float[T, 4], int64[T, 2]",
    "gaussian_noise": "gaussian_noise(0.3) along T of float[T, 4]",
    "gelu": "gelu(approximate=tanh) along T of float[T, 4]",
    "global_avgpool": "global_avgpool along 3 of float[3, 2, 4, 5]",
    "global_maxpool": "global_maxpool along 3 of float[3, 2, 4, 5]",
    "glu": "glu along T of float[T, 6]",
    "greater": "a > b along 3 of float[3], float",
    "greater_equal": "a >= b along 9 of int64[9], int64[9]",
    "grid_sample": "grid_sample along 3 of float[3, 4, 5], float[6, 2, 2]",
    "gru": "gru(3) along T of float[T, 2], float[3]",
    "hard_sigmoid": "hard_sigmoid along T of float[T, 4]",
    "hard_swish": "hard_swish along T of float[T, 4]",
    "identity": "identity along T of float[T, 4]",
    "impute": "impute(0) along T of float[3, T]",
    "last": "last along 2 of float[T, 2, 3]",
    "layernorm": "layernorm(0.1, -2) along T of float[4, T]",
    "leaky_relu": "leaky_relu along T of float[T, 4]",
    "less": "a < b along 2 of float[3], float[2, 3]",
    "less_equal": "a <= b along 9 of int64[9], int64[9]",
    "lgamma": "lgamma along T of float[T, 4]",
    "local_response_norm": "local_response_norm(3, 1, 0.5, 2) along 3 of float[4, 2, 3, 2]",
    "log": "log along 3 of float[3]",
    "log_softmax": "log_softmax along T of float[T, 4]",
    "logical_and": "a and b along 9 of bool[9], bool",
    "logical_not": "not a along 9 of bool[9]",
    "logical_or": "a or b along 2 of bool[9], bool[2, 9]",
    "logsumexp": "logsumexp(axis=-1, keepdims=true) along T of float[T, 4]",
    "lstm": "lstm(3) along T of float[T, 2], float[3], float[3]",
    "matmul": "a @ b along 4 of float[5, 1, 2, 3], float[4, 3, 2]",
    "max": "max(axis=-1, keepdims=true) along T of float[T, 4]",
    "maximum": "maximum along T of float[T, 4], float[4], float",
    "maxpool": "maxpool(2) along T of float[T, 8]",
    "mean": "mean(axis=-1, keepdims=true) along T of float[T, 4]",
    "mel": "mel(3, 16, low=1) along T of float[9, T]",
    "mfcc": "mfcc(count=4) along T of float[4, T]",
    "min": "min(axis=-1, keepdims=true) along T of float[T, 4]",
    "minimum": "minimum along T of float[T, 4], float[4], float",
    "mish": "mish along T of float[T, 4]",
    "modulo": "a % b along 3 of float[3], float[3]",
    "multiply": "a * b along T of float[T, 3], float[3]",
    "negate": "-a along 3 of float[3]",
    "norm": "norm(axis=-1, keepdims=true) along T of float[T, 4]",
    "not_equal": "a != b along 9 of int64[9], int64[9]",
    "one_hot": "one_hot along T of class(5)[T]",
    "pad": "pad(1, 1, axis=-1, mode=reflect) along 3 of float[3, H, W]",
    "pixel_shuffle": "pixel_shuffle(1) along 3 of float[2, 3, 4]",
    "position_embedding": "position_embedding(20) along T of float[T, 4]",
    "power": "a ** 2 along T of float[T]",
    "prelu": "prelu along T of float[T, 4]",
    "prod": "prod(axis=-1, keepdims=true) along T of float[T, 4]",
    "random_crop": "random_crop(8, w=6, padding=2) along 3 of float[3, 8, 6]",
    "random_erase": "random_erase(0.3) along 3 of float[3, H, W]",
    "random_flip": "random_flip(axis=-2) along 1 of uint8[1, 8, 6]",
    "random_resized_crop": "random_resized_crop(5, 4, scale=[0.5, 0.9]) along 3 of float[3, 8, 6]",
    "random_rotate": "random_rotate(degrees=90) along 3 of float[3, H, W]",
    "relu": "relu along T of float[T, 4]",
    "relu6": "relu6 along T of float[T, 4]",
    "reshape": "reshape(T, 2, 3) along T of float[T, 6]",
    "resize": "resize(6, 1, bicubic, align_corners=true) along 2 of float[2, 3, 5]",
    "rmsnorm": "rmsnorm(0.1, -2) along T of float[4, T]",
    "rnn": "rnn(3) along T of float[T, 2], float[3]",
    "rotary": "rotary(100) along T of float[2, T, 8]",
    "round": "round along T of float[T, 4]",
    "sample_normal": "sample_normal along T of float, float[T, 4]",
    "selu": "selu along T of float[T, 4]",
    "shift": "shift(by=8) along T of float[T, 2]",
    "sigmoid": "sigmoid along T of float[T, 4]",
    "sign": "sign along T of float[T, 4]",
    "silu": "silu along T of float[T, 4]",
    "sin": "sin along T of float[T, 4]",
    "sinusoidal_position": "sinusoidal_position along T of float[T, 6]",
    "slice": "a[1, ..., 1:] along 3 of float[2, 3, 4]",
    "softmax": "softmax along T of float[T, 4]",
    "softplus": "softplus along T of float[T, 4]",
    "softsign": "softsign along T of float[T, 4]",
    "sort": "sort(-1) along 2 of float[2, 3, 4]",
    "split": "split([1, 3], axis=-1) along T of float[T, 4]",
    "sqrt": "sqrt along T of float[T]",
    "square": "square along T of float[T, 4]",
    "stack": "stack(1) along T of float[T, 4], float[T, 4]",
    "std": "std(axis=-1, keepdims=true) along T of float[T, 4]",
    "subtract": "a - b along 2 of float[2, 3], float[2, 1]",
    "sum": "sum(axis=-1, keepdims=true) along T of float[T, 4]",
    "swish": "swish along T of float[T, 4]",
    "tan": "tan along T of float[T, 4]",
    "tanh": "tanh along T of float[T, 4]",
    "threshold": "threshold along T of float[T, 4]",
    "topk": "topk(3) along T of float[T, 4]",
    "transpose": "transpose along T of float[2, T, 4]",
    "upsample": "upsample(3) along 1 of uint8[1, 2, 3, 4]",
    "var": "var(axis=-1, keepdims=true) along T of float[T, 4]",
    "where": "where along T of bool, float[T, 4], float[4]",
}
# An example of each operator that has one which cannot: it reads several steps, or changes their number.
REJECTED = {
    "adaptive_avgpool": "adaptive_avgpool([1, 3]) along T of float[3, T, 8]",
    "argmax": "argmax along 5 of float[5]",
    "argmin": "argmin along 5 of float[5]",
    "attention": "attention(2) along T of float[T, 4]",
    "avgpool": "avgpool(3, stride=2, padding=1) along T of float[3, T]",
    "concat": "concat(axis=0) along T of float[T, 4], float[1, 4]",
    "conv": "conv(3, 4, padding=same) along T of float[2, T]",
    "conv_transpose": "conv_transpose(3, 2, stride=2, output_padding=2, dilation=3) along T of float[2, T]",
    "flatten": "flatten along T of float[T, 4]",
    "gather": "gather(0) along T of float[T, 4], int64[2]",
    "global_avgpool": "global_avgpool along 8 of float[3, 8]",
    "global_maxpool": "global_maxpool along 8 of float[3, 8]",
    "grid_sample": "grid_sample along 4 of float[3, 4, 5], float[6, 2, 2]",
    "groupnorm": "groupnorm(2, eps=0.1) along T of float[4, T]",
    "gru": "gru(3, bidirectional=true) along T of float[T, 2]",
    "instancenorm": "instancenorm along 5 of float[3, 5]",
    "last": "last along T of float[T, 4]",
    "log_softmax": "log_softmax along T of float[T]",
    "logsumexp": "logsumexp(axis=0) along T of float[T, 4]",
    "lstm": "lstm(3, bidirectional=true) along T of float[T, 2]",
    "matmul": "a @ transpose(a) along T of float[T, 3]",
    "max": "max(axis=0) along T of float[T, 4]",
    "maxpool": "maxpool(3, stride=2, padding=1) along T of float[3, T]",
    "mean": "mean along 3 of float[3, 4]",
    "min": "min(axis=0) along T of float[T, 4]",
    "norm": "norm along 3 of float[3, 4]",
    "pad": "pad(2, 1, axis=0) along T of float[T, 4]",
    "pixel_shuffle": "pixel_shuffle(2) along 3 of float[8, 3, 4]",
    "position_embedding": "position_embedding(2, weight=[[1, 2], [3, 4]]) along 1 of float[1, 2]",
    "prod": "prod(axis=0) along T of float[T, 4]",
    "random_resized_crop": "random_resized_crop(4) along 6 of float[3, 8, 6]",
    "reshape": "reshape(-1, 3) along T of float[T, 6]",
    "resize": "resize(8, 10) along 4 of float[3, 4, 5]",
    "rnn": "rnn(3, bidirectional=true) along T of float[T, 2]",
    "shift": "shift(by=-2) along T of float[T, 2, 3]",
    "slice": "a[-1] along T of float[T, 4]",
    "softmax": "softmax along T of float[T]",
    "sort": "sort along T of float[T]",
    "spectrogram": "spectrogram(8, 3) along T of float[T]",
    "std": "std(axis=0) along T of float[T, 4]",
    "sum": "sum(axis=0) along T of float[T, 4]",
    "topk": "topk(1) along T of float[T]",
    "upsample": "upsample(2) along 4 of float[3, 4]",
    "var": "var(axis=0) along T of float[T, 4]",
}


# --- all operators ----------------------------------------------------------------------------------------


def case_of(operator: str, label: str) -> Case:
    return next(case for case in cases() if case.operator == operator and case.label == label)


def errors(text: str) -> list[str]:
    """The codes of the errors of a decoder with these lines."""
    try:
        decoded(text)
    except CompileError as error:
        return [d.code for d in error.diagnostics if d.severity == "error"]
    return []


NAMES = [*ACCEPTED]
GROUPS = [NAMES[first : first + GROUP] for first in range(0, len(NAMES), GROUP)]


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS, ids=", ".join)
def test_operators_are_computed_step_by_step(group: list[str]) -> None:
    found = [usable(case_of(name, ACCEPTED[name]), f"o{i}") for i, name in enumerate(group)]
    assert None not in found
    total = " + ".join(f"o{i}z" for i in range(len(group)))
    program = decoded("\n".join([*map(str, found), f"{total} -> dense(said.classes) -> said"]))
    Engines(program).agree(given(program))


@pytest.mark.parametrize("operator", REJECTED)
def test_operators_that_read_several_steps_are_rejected(operator: str) -> None:
    text = f"{usable(case_of(operator, REJECTED[operator]))}\nz -> dense(said.classes) -> said"
    assert errors(text) == ["E0520"]


def test_all_operators_are_in_these_tables() -> None:
    """Except for those whose operands are no results of others, such as values of the rows."""
    left_out = {"bucketize", "cutmix", "minmax", "mixup", "standardize", "vocabulary"}
    assert ACCEPTED.keys() | REJECTED.keys() == {case.operator for case in cases()} - left_out


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted({case.operator for case in cases()}))
def test_all_examples_are_computed_step_by_step_or_rejected(operator: str) -> None:
    accepted, rejected = set(), set()
    for case in cases():
        text = usable(case) if case.operator == operator else None
        if text is None:
            continue
        text = f"{text}\nz -> dense(said.classes) -> said"
        if errors(text):
            rejected.add(case.label)
            continue
        program = decoded(text)
        Engines(program).agree(given(program))
        accepted.add(case.label)
    assert (operator in ACCEPTED) == bool(accepted)
    assert operator not in ACCEPTED or ACCEPTED[operator] in accepted
    assert operator not in REJECTED or REJECTED[operator] in rejected


# --- states -----------------------------------------------------------------------------------------------

ALIBI = """place = cumsum(h.mask * 1, axis=0)
near  = -abs(reshape(place, -1, 1) - place) * [[[0.25]], [[0.0625]]]
"""
CARRIED = {
    "positions": "sinusoidal_position -> attention(2, causal=true) -> position_embedding(40)",
    "rotation": "rotary -> attention(2, causal=true, rotary=100, kv_heads=1) -> dense(6)",
    "windows of attention": "attention(2, causal=true, window=3, rotary=100) -> attention(3, window=1)",
    "one score for each head": "attention(2, causal=true, scores=[[[0.5]], [[1]]])",
    "steps within a step": "reshape(-1, 3, 4) -> attention(2) -> rotary -> reshape(-1, 12)",
    "several sequences": "reshape(-1, 3, 4) -> transpose(1, 0, 2) -> attention(2, causal=true, rotary=10)"
                         " -> transpose(1, 0, 2) -> reshape(-1, 12)",
    "shifts": "shift(2) -> cumsum(axis=0) -> shift",
    "convolutions": "transpose -> conv(5, 3, padding=causal) -> relu"
                    " -> conv(6, 2, padding=causal, dilation=2, groups=1) -> transpose",
    "padded convolutions": "transpose -> pad(4, 0, axis=1, value=0.5) -> conv(5, 3) -> relu -> conv(4, 3)"
                           " -> transpose",
    "windows of pictures": "reshape(-1, 2, 6) -> transpose(1, 0, 2) -> pad(1, 0, axis=1)"
                           " -> conv(3, [2, 3], padding=[0, 1]) -> transpose(1, 0, 2) -> reshape(-1, 18)",
    "pooling": "transpose -> pad(2, 0, axis=1) -> maxpool(3, stride=1) -> pad(1, 0, axis=1)"
               " -> avgpool(2, stride=1) -> transpose",
    "recurrent layers": "gru(8) -> lstm(6, layers=2, bias=false) -> rnn(5)",
}  # fmt: skip
READ = {
    "alibi": f"{ALIBI}y = h -> attention(2, causal=true, scores=near)",
    "alibi in a window": f"{ALIBI}y = h -> attention(2, causal=true, scores=near, window=3, rotary=10)",
    "products as scores": "w = (h @ transpose(h)) / 10\n"
                          "y = h -> attention(2, causal=true, scores=stack(w, -w), mask=w > -1)",
    "a mask of the memory": "y = h -> attention(2, causal=true, mask=h[:, 0] > 0)",
    "a mask of the queries": "y = h -> attention(2, causal=true, mask=reshape(h[:, 0] > 0, -1, 1))",
    "keys and values": "y = attention(dense(h, 8), h, dense(h, 4), heads=2, causal=true, rotary=10)",
    "a mean so far": "y = cumsum(h, axis=0) / reshape(cumsum(h.mask * 1, axis=0), -1, 1)",
    "steps before the first": "weight t: float[2, 12] = normal(1)\n"
                              "x = concat(t, h, axis=0) -> attention(2, causal=true, rotary=10, window=4)"
                              " -> gru(8) -> sinusoidal_position -> cumsum(axis=0)\ny = x[1:-1]",
    "a shift by hand": "x = concat([[0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0]], h, axis=0)\ny = x[:-1]",
}  # fmt: skip
LINES = {name: f"y = h -> {stages}" for name, stages in CARRIED.items()} | READ


def scores(lines: str) -> str:
    return f"{lines}\ny -> dense(said.classes) -> said"


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_what_is_carried_is_never_computed_again(lines: str) -> None:
    """`onnx.reference` chooses the same symbols too."""
    program = decoded(scores(lines))
    Engines(program).agree(given(program), reference=True)


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_a_prompt_is_continued_from_its_states(lines: str) -> None:
    program = prompted(scores(lines))
    Engines(program).agree(given(program), reference=True)


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_padding_of_prompts_leaves_no_trace(lines: str) -> None:
    program = prompted(scores(lines), lengths=True)
    engines, lengths = Engines(program), torch.tensor([2, 6, 1, 4])
    loop, prompts = engines.loop(), given(program, 4, 6)["seen"]
    feed = {"seen": prompts, "seen_length": lengths}
    together = loop.exactly(feed)
    for row, length in enumerate(lengths):
        alone = loop.exactly({"seen": prompts[row : row + 1, :length], "seen_length": lengths[row : row + 1]})
        torch.testing.assert_close(alone["scores"][0], together["scores"][row], rtol=0, atol=1e-9)
    arrays = {name: x.numpy() for name, x in feed.items()}
    for run in (run_onnxruntime(engines.onnx()), run_reference(engines.onnx())):
        assert (run(arrays)["said"] == together["said"].numpy()).all()


@pytest.mark.parametrize("width", (1, 3))
def test_beams_keep_their_states(width: int) -> None:
    """With one beam, the answers are those of a greedy choice."""
    lines = f"""{ALIBI}
x = h -> shift(2) -> attention(2, causal=true, scores=near, window=3, rotary=10)
y = x -> transpose -> conv(6, 3, padding=causal) -> transpose -> gru(8)"""
    greedy, beams = (decoded(scores(lines), decoder=f"{name}, max={{}})")
                     for name in ("greedy(said", f"beam(said, width={width}"))  # fmt: skip
    feed = given(greedy)
    found = run_onnxruntime(Engines(beams).onnx())({"seen": feed["seen"].numpy()})["said"]
    assert (found == Engines(beams).answers()(feed)["said"].numpy()).all()
    if width == 1:
        assert (found == Engines(greedy).agree(feed).numpy()).all()


# --- errors -----------------------------------------------------------------------------------------------


TURNED = "h -> transpose -> {} -> transpose"
ERRORS = [
    (
        "h -> attention(2)",
        "`attention` cannot be computed step by step: it reads later",
        "`causal=true` hides",
    ),
    ("h -> attention(2, window=2)", "it reads later steps", "`causal=true`"),
    ("h -> shift(-1)", "`shift` cannot be computed step by step: it reads later steps", "positive"),
    ("h + h[0]", "it reads a single step", "`shift`"),
    ("h + mean(h, axis=0)", "`mean` cannot be computed step by step: it reads several steps", "`cumsum`"),
    (TURNED.format("conv(12, 3, padding=same)"), "its windows reach later steps", "`padding=causal`"),
    (TURNED.format("maxpool(3, stride=1, padding=1)"), "its windows reach later steps", "`pad(n, 0"),
    (TURNED.format("pad(1, 1, axis=1) -> conv(3, 3)"), "`pad` cannot be", "`pad(n, 0"),
    (TURNED.format("pad(1, 0, axis=1, mode=edge) -> conv(3, 2)"), "come later", "`mode=constant`"),
    ("h -> gru(8, bidirectional=true)", "from the last to the first", "`bidirectional=true`"),
    ("h + sum(attention(reshape(m, 2, 4), h, heads=1) -> reshape(8))", "waits for the last step", ""),
    ("h @ transpose(h) @ h", "`@` cannot be computed step by step: it reads several steps", ""),
    ("h -> attention(2, causal=true, scores=cumsum(h @ transpose(h), axis=0))", "it reads pairs of steps",
     "`attention(causal=true, scores=...)`"),
    ("h -> position_embedding(4)", "it knows 4 steps, and there may be 6", "give it 6"),
]  # fmt: skip


@pytest.mark.parametrize(("flow", "message", "help"), ERRORS)
def test_errors_say_why_and_what_to_do(flow: str, message: str, help: str) -> None:
    with pytest.raises(CompileError) as caught:
        decoded(scores(f"y = {flow}"))
    (found,) = (d for d in caught.value.diagnostics if d.severity == "error")
    assert found.code == "E0520"
    assert message in found.message
    assert help in found.help


def test_a_decoder_needs_an_input() -> None:
    text = "output said: class(6)[T]\nshift(said.target) -> embedding(8) -> dense(said.classes) -> said\n"
    with pytest.raises(CompileError, match="is decoded from no input"):
        compile(Source("alone.dl", f"{text}export {{ decode = greedy(said, max=6) }}\n"))
