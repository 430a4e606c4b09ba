"""How far engines may be apart, for each operator: asserted by `test_examples.py` and `test_gradients.py`,
and shown by `docs/coverage.md`."""

from __future__ import annotations

# Their sums are taken in the order of the engine.
SUMS = {
    "adaptive_avgpool", "attention", "avgpool", "conv", "conv_transpose", "cumsum", "dense", "global_avgpool",
    "grid_sample", "groupnorm", "gru", "instancenorm", "layernorm", "local_response_norm", "log_softmax",
    "logsumexp", "lstm", "matmul", "mean", "mel", "mfcc", "norm", "prod", "random_resized_crop", "resize",
    "rmsnorm", "rnn", "softmax", "spectrogram", "std", "sum", "upsample", "var",
}  # fmt: skip
# Made of functions and constants that engines round differently.
FUNCTIONS = {
    "batchnorm", "celu", "cos", "elu", "erf", "exp", "gelu", "glu", "hard_sigmoid", "hard_swish", "lgamma",
    "log", "mish", "power", "rotary", "selu", "sigmoid", "silu", "sin", "sinusoidal_position", "softplus",
    "softsign", "sqrt", "swish", "tan", "tanh",
}  # fmt: skip
GRADIENT = 1e-6  # in float64, relative and absolute


def bound(operator: str) -> float:
    """Of outputs in float32, relative to the largest value or to 1 if that is less; others are equal."""
    return 1e-5 if operator in SUMS else 1e-6 if operator in FUNCTIONS else 0.0
