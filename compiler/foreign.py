"""What PyTorch, Keras and ONNX call the things of the language, for those who come from there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

OPERATORS = {
    "linear": "dense", "gemm": "dense", "fullyconnected": "dense", "fc": "dense", "matmul": "@",
    "convolution": "conv", "convtranspose": "conv_transpose", "batchnormalization": "batchnorm",
    "layernormalization": "layernorm", "groupnormalization": "groupnorm", "maxpooling": "maxpool",
    "avgpooling": "avgpool", "averagepooling": "avgpool", "averagepool": "avgpool",
    "globalaveragepooling": "global_avgpool", "globalaveragepool": "global_avgpool",
    "globalmaxpooling": "global_maxpool", "adaptiveavgpool": "adaptive_avgpool", "upsampling": "upsample",
    "view": "reshape", "permute": "transpose", "concatenate": "concat", "cat": "concat", "input": "input",
    "sequential": "->", "chain": "->", "identitylayer": "identity", "swiglu": "glu", "heaviside": "threshold",
    "normalization": "standardize", "rescaling": "/", "onehot": "one_hot", "multiheadattention": "attention",
    "zeropadding": "pad", "cropping": "crop", "power": "**", "crossentropyloss": "cross_entropy",
    "categoricalcrossentropy": "cross_entropy", "nllloss": "cross_entropy",
    "sparsecategoricalcrossentropy": "cross_entropy", "softmaxcrossentropy": "cross_entropy",
    "bceloss": "bce", "bcewithlogits": "bce", "bcewithlogitsloss": "bce", "binarycrossentropy": "bce",
    "mseloss": "mse", "meansquarederror": "mse", "l1loss": "mae", "meanabsoluteerror": "mae",
    "smoothl1": "huber", "huberloss": "huber", "diceloss": "dice",
}  # fmt: skip

MEMBERS = {
    "auc": "auroc", "rocauc": "auroc", "rocaucscore": "auroc", "jaccard": "iou", "jaccardindex": "iou",
    "f1score": "f1", "sensitivity": "recall", "acc": "accuracy", "r2score": "r2",
    "confusion": "confusion_matrix", "meansquarederror": "rmse",
    "steplr": "step", "exponentiallr": "exponential", "cosineannealinglr": "cosine", "linearlr": "linear",
    "cosineannealing": "cosine", "onecyclelr": "one_cycle", "reducelronplateau": "plateau",
    "he": "he_normal", "kaimingnormal": "he_normal", "kaiminguniform": "he_uniform",
    "xavier": "xavier_normal", "glorot": "xavier_normal", "glorotnormal": "xavier_normal",
    "glorotuniform": "xavier_uniform", "lecun": "lecun_normal", "truncatednormal": "normal",
}  # fmt: skip

SETTINGS = {
    "learning_rate": "lr", "kernel_size": "kernel", "pool_size": "kernel", "strides": "stride",
    "dilation_rate": "dilation", "out_channels": "channels", "filters": "channels", "out_features": "units",
    "use_bias": "bias", "epsilon": "eps", "p": "rate", "dim": "axis", "dims": "axis", "axes": "axis",
    "num_groups": "groups", "normalized_shape": "axis", "negative_slope": "slope",
    "kernel_initializer": "init", "weight_init": "init", "beta_1": "beta1", "beta_2": "beta2",
    "std": "stddev", "delta": "delta", "betas": "beta1", "step_size": "every", "gamma": "by",
    "T_max": "warmup", "max_lr": "peak", "batch_size": "batch", "num_epochs": "epochs", "max_steps": "steps",
    "callbacks": "early_stop", "scheduler": "schedule", "criterion": "loss", "regularizer": "regularize",
    "random_state": "seed", "validation_split": "validation", "test_size": "test",
    "validation_data": "validation", "dataset": "source", "path": "source", "opset_version": "opset",
    "output_names": "outputs",
}  # fmt: skip


# Settings of the optimizer that are looked for in `train`.
OPTIMIZERS_OWN = {"lr", "learning_rate", "momentum", "weight_decay"}


def operator(name: str) -> str:
    """The mend for an operator or loss by the name that it has elsewhere; empty if there is none."""
    plain = re.sub(r"[123]d$", "", name.lower().replace("_", "")).removesuffix("layer")
    found = OPERATORS.get(plain, "")
    return f"it is written `{found}` here" if found else ""


def member(name: str, known: Container[str]) -> str:
    """The mend for a metric, schedule or initial value by its name elsewhere, where that meant is known."""
    found = MEMBERS.get(name.lower().replace("_", ""), "")
    return f"it is written `{found}` here" if found in known else ""


def setting(name: str, known: Container[str]) -> str:
    """The mend for a setting by the name that it has elsewhere, where the one meant is known."""
    found = SETTINGS.get(name, "")
    if name in OPTIMIZERS_OWN and "optimizer" in known:
        return f"it belongs to the optimizer: `optimizer = adam({found or name}=...)`"
    return f"it is called `{found}` here" if found and found in known else ""
