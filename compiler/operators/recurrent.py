"""Recurrent layers: `rnn`, `lstm` and `gru`."""

from __future__ import annotations

from dlc.compiler.definitions.initializers import HeNormal, Initializer, XavierNormal
from dlc.compiler.definitions.parameter_types import Keyword
from dlc.compiler.operators.base import Example, setting
from dlc.compiler.operators.recurrence import Recurrent, dropout_setting
from dlc.compiler.types import Tensor


def rows(name: str) -> tuple[Example, ...]:
    """Examples of what all kinds have in common."""
    return (
        Example(f"{name}(3)", "float[4, 2]", "float[4, 3]"),
        Example(f"{name}(3)", "float[T, 2]", "float[T, 3]"),
        Example(f"{name}(3)", "uint8[T, 2]", "float[T, 3]", low=0, high=3),
        Example(f"{name}(2, 2)", "float[T, 3]", "float[T, 2]"),
        Example(f"{name}(3, bidirectional=true)", "float[T, 2]", "float[T, 6]"),
        Example(f"{name}(3, final=true)", "float[5, 2]", "float[3]"),
        Example(f"{name}(3, final=true)", "float[T, 2]", "float[3]"),
        Example(f"{name}(2, 2, true, true)", "float[T, 3]", "float[4]"),
        Example(f"{name}(2, layers=2, bidirectional=true, bias=false)", "float[4, 3]", "float[4, 4]"),
        Example(f"{name}(2, layers=2, dropout=0.3)", "float[T, 3]", "float[T, 2]"),
        Example(f"{name}(2, init=orthogonal)", "float[T, 3]", "float[T, 2]"),
        Example(f"{name}(3)", ("float[T, 2]", "float[3]"), "float[T, 3]"),
        Example(f"{name}(3, final=true)", ("float[T, 2]", "float[3]"), "float[3]"),
        Example(f"{name}(2, 2, true, true)", ("float[T, 3]", "float[4, 2]"), "float[4]"),
        Example(f"{name}(3)", "float[4]", rejects="E0201"),
        Example(f"{name}(3)", "float[2, T]", rejects="E0201"),
        Example(f"{name}(3)", "float[2, 3, 4]", rejects="E0201"),
        Example(f"{name}(3)", "class(5)[T]", rejects="E0202"),
        Example(f"{name}(3)", ("float[T, 2]", "float[4]"), rejects="E0201"),
        Example(f"{name}(3, bidirectional=true)", ("float[T, 2]", "float[3]"), rejects="E0201"),
        Example(f"{name}(T)", "float[T, 2]", rejects="E0403"),
        Example(f"{name}(0)", "float[4, 2]", rejects="E0403"),
        Example(f"{name}(3, 0)", "float[4, 2]", rejects="E0403"),
        Example(f"{name}(3, dropout=1)", "float[4, 2]", rejects="E0403"),
        Example(f"{name}(3, dropout=0.5)", "float[4, 2]", rejects="E0404"),
    )


class Rnn(Recurrent):
    """Elman network: `h = tanh(W x + R h + b)` at each step (Elman 1990; torch `rnn_tanh`, ONNX `RNN`).

    The weights are those of torch's `nn.RNN`, and `x` is `[steps, features]`. A second tensor is the initial
    state, 0 without it: `[units]`, or one for each layer and direction, `[layers * directions, units]`, where
    there are several. Gradients shrink or grow with each step: `lstm` and `gru` remember for longer.
    """

    usage = """
    input  signal: float[T, 4]
    output level: float[T, 1]

    signal -> rnn(16) -> dense(1) -> level
    """

    kind, order = "RNN", (0,)
    activation: str = setting("activation of the state", Keyword("tanh", "relu"), "tanh")
    dropout: float = dropout_setting()

    @property
    def saturates(self) -> bool:
        return self.activation == "tanh"

    @property
    def flat_at(self) -> tuple[float, float | None] | None:
        return (-1, 1) if self.saturates else (0, None)

    @property
    def auto(self) -> Initializer:
        return HeNormal() if self.activation == "relu" else XavierNormal()

    @property
    def function(self) -> str:
        return f"rnn_{self.activation}"

    def module_settings(self):
        return super().module_settings() | {"nonlinearity": "relu" if self.activation == "relu" else None}

    def onnx_settings(self, directions):
        return {"activations": [self.activation.title()] * directions}

    examples = (
        *rows("rnn"),
        Example("rnn(3, activation=relu)", "float[T, 2]", "float[T, 3]"),
        Example("rnn(2, 2, true, false, relu, 0.5)", "float[T, 3]", "float[T, 4]"),
        Example("rnn(3, activation=gelu)", "float[T, 2]", rejects="E0403"),
    )


class Lstm(Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997; torch `lstm`, ONNX `LSTM`).

    `c = f * c + i * g` and `h = o * tanh(c)` at each step; `i`, `f` and `o` are sigmoids and `g` is a tanh,
    each of an affine map of `x` and `h`. The weights are those of torch's `nn.LSTM`, and `x` is
    `[steps, features]`. A second tensor is the initial state, 0 without it: `[units]`, or one for each layer
    and direction, `[layers * directions, units]`, where there are several. It is both `h` and `c`; a third
    tensor, if given, is `c`.
    """

    usage = """
    input  words: class(1000)[T]
    output mood: class(3)

    words -> embedding(32) -> lstm(64, final=true) -> dense(3) -> mood
    """

    kind, order = "LSTM", (0, 3, 1, 2)
    dropout: float = dropout_setting()

    def type(self, x: Tensor, state: Tensor | None = None, cell: Tensor | None = None) -> Tensor:
        self.check_state(cell, "cell")
        return super().type(x, state)

    def state_count(self) -> int:
        return 2

    def hidden(self, states):
        return states[0]

    examples = (
        *rows("lstm"),
        Example("lstm(3)", ("float[T, 2]", "float[3]", "float[3]"), "float[T, 3]"),
        Example("lstm(2, 2, final=true)", ("float[T, 2]", "float[2, 2]", "float[2, 2]"), "float[2]"),
        Example("lstm(3)", ("float[T, 2]", "float[3]", "float[4]"), rejects="E0201"),
    )


class Gru(Recurrent):
    """Gated recurrent units (Cho et al. 2014; torch `gru`, ONNX `GRU`).

    `h = (1 - z) * n + z * h` at each step; `r` and `z` are sigmoids of affine maps of `x` and `h`, and
    `n = tanh(W x + b + r * (R h + c))`, as PyTorch and cuDNN define it. The weights are those of torch's
    `nn.GRU`, and `x` is `[steps, features]`. A second tensor is the initial state, 0 without it: `[units]`,
    or one for each layer and direction, `[layers * directions, units]`, where there are several.
    """

    usage = """
    input  words: class(1000)[T]
    output tag: class(12)[T]

    words -> embedding(32) -> gru(48, bidirectional=true) -> dense(12) -> tag
    """

    kind, order = "GRU", (1, 0, 2)
    dropout: float = dropout_setting()

    def onnx_settings(self, directions):
        return {"linear_before_reset": 1}

    examples = rows("gru")
