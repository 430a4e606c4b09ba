"""Settings of other libraries that are not needed here, or are written in another part of a spec."""

from __future__ import annotations

_KNOWN = "the size of the input is known"
# Operators that take an input size in PyTorch: the position of that argument, and why it is not needed here.
INPUT_SIZE_ARGUMENTS = {
    **dict.fromkeys(("dense", "conv", "conv_transpose", "batchnorm", "layernorm", "instancenorm", "rmsnorm",
                     "prelu", "rnn", "lstm", "gru"), (0, _KNOWN)),
    "groupnorm": (1, _KNOWN),
    "embedding": (0, "the table has a row for each class of the input's type, `class(1000)`"),
}  # fmt: skip
# Operators whose activation other libraries let choose, with the one that is computed within.
ACTIVATION_WITHIN = {"lstm": "tanh", "gru": "tanh"}
# Settings of other libraries that are not needed here, and why.
UNNEEDED_SETTINGS = {
    **dict.fromkeys(("in_features", "in_channels", "input_dim", "input_size", "input_shape", "num_features",
                     "normalized_shape", "input_length", "batch_input_shape", "num_channels", "in_dim"),
                     _KNOWN),
    **dict.fromkeys(("embed_dim", "d_model", "kdim", "vdim"), _KNOWN),
    **dict.fromkeys(("key_dim", "value_dim", "head_dim", "d_k", "d_v"),
                    "each head has the features of the query divided by `heads`"),
    **dict.fromkeys(("need_weights", "average_attn_weights", "return_attention_scores"),
                    "the weights of the attention are no result"),
    "num_embeddings": INPUT_SIZE_ARGUMENTS["embedding"][1],
    **dict.fromkeys(("dtype", "param_dtype"),
                    "numbers are float32 here; `train { precision = ... }` trains otherwise"),
    "device": "`dlc train --device` chooses the device", "inplace": "no operator works in place",
    "name": "a layer is named after its operator, and a value with `name = ...`",
    **dict.fromkeys(("data_format", "channels_last"),
                    "channels come first, and the batch is never written"),
    **dict.fromkeys(("batch_first", "time_major"), "steps come first, and the batch is never written"),
    "go_backwards": "`bidirectional=true` reads both ways",
    "merge_mode": "the states of both directions are joined on the last axis",
    "recurrent_activation": "the gates are `sigmoid`", "enforce_sorted": "rows may have any order",
    "unroll": "recurrent layers are never unrolled", "stateful": "each row begins with the initial state",
    **dict.fromkeys(("affine", "elementwise_affine", "track_running_stats", "center", "scale"),
                    "it is always on"),
    "amsgrad": "it is off", "foreach": "it does not change results",
    "fused": "it does not change results",
    "reuse": "a `net` shares its weights", "rngs": "`train { seed = ... }` is the only seed",
    "key": "`train { seed = ... }` is the only seed", "rng": "`train { seed = ... }` is the only seed",
    "verbose": "`dlc train` shows its progress",
    **dict.fromkeys(("training", "deterministic", "use_running_average"),
                    "an operator has one form for training and one for inference"),
    "T_max": "a schedule knows how many steps there are",
    "total_steps": "a schedule knows how many steps there are",
    "decay_steps": "a schedule knows how many steps there are",
    "from_logits": "a classification loss takes scores",
    "shuffle": "training rows are shuffled in every epoch",
    **dict.fromkeys(("num_workers", "optimizer_idx"), "it is chosen automatically"),
    "mask_zero": "class -1 is the missing value",
}  # fmt: skip
REGULARIZE = "weights are regularized by `train { regularize = l2(1e-4) }`"
# Settings of other libraries that are written in another part of a spec.
MOVED_SETTINGS = {
    **dict.fromkeys(("kernel_regularizer", "bias_regularizer", "activity_regularizer",
                     "recurrent_regularizer"), REGULARIZE),
    **dict.fromkeys(("clipnorm", "global_clipnorm", "max_grad_norm"),
                    "gradients are clipped by `train { clip = norm(1.0) }`"),
    **dict.fromkeys(("attn_mask", "src_mask", "tgt_mask", "memory_mask"),
                    "`mask` is true where a step may be seen; in `nn.MultiheadAttention` true hides it, so "
                    "it is `mask=not m` here; a float mask is given as `scores`"),
    **dict.fromkeys(("key_padding_mask", "src_key_padding_mask", "tgt_key_padding_mask",
                     "memory_key_padding_mask"),
                    "padding is left out without a mask; another mask that is true where a step is hidden is "
                    "`mask=not m` here"),
    **dict.fromkeys(("use_rope", "rope", "use_rotary", "rotary_embedding", "apply_rotary"),
                    "`rotary=10000` rotates queries and keys; the number is the base"),
    "alibi": "what is added to the products is a tensor, `scores=s`",
    "enable_gqa": "`kv_heads=2` is the number of heads of keys and values",
    "clipvalue": "gradients are clipped by `train { clip = value(1.0) }`",
    "trainable": "weights are frozen by `train { freeze = ... }`",
    "weights": "trained weights are read by `train { weights = load(\"f.safetensors\") }`",
    "callbacks": "training is stopped early by `early_stop = patience(5)`; a run folder is always written",
    "bias_initializer": "the initial value of a bias is 0",
    "recurrent_dropout": "`dropout=0.2` drops values between layers",
    "proj_size": "put `dense` after it",
    "padding_mode": "put `pad` before it",
    "return_sequences": "all states are the result; `final=true` gives the last one alone",
    "return_state": "`final=true` gives the last state; `last` takes it from all states",
    **dict.fromkeys(("initial_state", "hx"), "an initial state is a second tensor: `x -> gru(state, 32)`"),
    "align_corners": "it is false; `resize` alone has it",
    "scale_factor": "`upsample` takes a factor",
    "descending": "`sort` is ascending: sort `-x`",
    "largest": "`topk` takes the largest values; the smallest are those of `-x`",
    "ignore_index": "targets that do not count are named in the type of the output: `class(21, ignore=255)`",
    **dict.fromkeys(("unbiased", "correction", "ddof"),
                    "`var` and `std` divide by n - 1; `mean((x - mean(x)) ** 2)` divides by n"),
    "transform": "transforms of the rows are operators of the flow, such as `standardize` and `random_flip`",
    **dict.fromkeys(("target", "label", "labels", "target_column", "y"),
                    "the target of an output is the column with the same name"),
    **dict.fromkeys(("gpus", "accelerator", "devices", "cuda"), "`dlc train --device` chooses the device"),
    **dict.fromkeys(("fp16", "amp", "mixed_precision", "half"),
                    "the precision of training is set by `precision = bf16`"),
    **dict.fromkeys(("save_path", "output_dir", "checkpoint_dir", "logdir"),
                    "`dlc train --out` sets the folder of the runs"),
}  # fmt: skip
