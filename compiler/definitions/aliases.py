"""Aliases: the names that PyTorch, Keras, JAX, ONNX and Python use for the words of the language."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from dlc.compiler.definitions.other_settings import MOVED_SETTINGS, UNNEEDED_SETTINGS
from dlc.compiler.definitions.transformer_names import SETTINGS_OF_ATTENTION, TRANSFORMERS
from dlc.compiler.definitions.unimplemented import UNIMPLEMENTED

if TYPE_CHECKING:
    from collections.abc import Collection, Container

# Keys are in lower case, without `_`, `1d` to `3d` and the affixes that `normalized` removes. A name that a
# docstring gives, as in "(torch `linear`, ...", needs no entry: see `aliases`.
OPERATORS = {
    "fullyconnected": "dense", "fc": "dense", "affine": "dense", "convolution": "conv",
    "convtranspose": "conv_transpose", "deconv": "conv_transpose", "deconvolution": "conv_transpose",
    "transposedconv": "conv_transpose", "bn": "batchnorm", "batchnormalization": "batchnorm",
    "ln": "layernorm", "layernormalization": "layernorm", "gn": "groupnorm",
    "groupnormalization": "groupnorm", "instancenormalization": "instancenorm", "rmsnormalization": "rmsnorm",
    "lrn": "local_response_norm", "crossmaplrn": "local_response_norm",
    "localresponsenormalization": "local_response_norm", "maxpooling": "maxpool", "avgpooling": "avgpool",
    "averagepooling": "avgpool", "averagepool": "avgpool", "meanpool": "avgpool", "gap": "global_avgpool",
    "globalaveragepooling": "global_avgpool", "globalaveragepool": "global_avgpool",
    "globalavgpooling": "global_avgpool", "globalmaxpooling": "global_maxpool", "gmp": "global_maxpool",
    "adaptiveaveragepooling": "adaptive_avgpool", "adaptiveaveragepool": "adaptive_avgpool",
    "upsampling": "upsample", "upsamplingnearest": "upsample", "interpolate": "resize", "resizing": "resize",
    "depthtospace": "pixel_shuffle", "subpixel": "pixel_shuffle", "centercrop": "crop", "cropping": "crop",
    "view": "reshape", "permute": "transpose", "swapaxes": "transpose", "concatenate": "concat",
    "cat": "concat", "chunk": "split", "ravel": "flatten", "zeropadding": "pad", "zeropad": "pad",
    "constantpad": "pad", "clamp": "clip", "stopgradient": "detach", "embed": "embedding", "emb": "embedding",
    "positionalembedding": "position_embedding", "positionalencoding": "sinusoidal_position",
    "categoryencoding": "one_hot", "onehotencoder": "one_hot", "toonehot": "one_hot",
    "discretization": "bucketize", "kbinsdiscretizer": "bucketize", "normalization": "standardize",
    "standardscaler": "standardize", "zscore": "standardize", "standardization": "standardize",
    "normalize": "standardize", "minmaxscaler": "minmax", "simpleimputer": "impute", "imputer": "impute",
    "fillna": "impute", "randomhorizontalflip": "random_flip", "horizontalflip": "random_flip",
    "randomrotation": "random_rotate", "randomerasing": "random_erase", "cutout": "random_erase",
    "randombrightness": "color_jitter", "randomcontrast": "color_jitter", "colorjitter": "color_jitter",
    "noop": "identity", "drop": "dropout", "heaviside": "threshold", "lrelu": "leaky_relu",
    "reducemean": "mean", "reducesum": "sum", "reducemax": "max", "reducemin": "min", "avg": "mean",
    "product": "prod", "variance": "var", "standarddeviation": "std", "reducelogsumexp": "logsumexp",
    "gammaln": "lgamma", "stdev": "std", "stddev": "std",
    "ce": "cross_entropy", "xent": "cross_entropy", "nll": "cross_entropy", "logloss": "cross_entropy",
    "categoricalcrossentropy": "cross_entropy", "sparsecategoricalcrossentropy": "cross_entropy",
    "softmaxcrossentropy": "cross_entropy", "softmaxcrossentropywithintegerlabels": "cross_entropy",
    "categoricalfocalcrossentropy": "focal", "binaryfocalcrossentropy": "focal",
    "negativeloglikelihood": "cross_entropy", "bcewithlogits": "bce", "binarycrossentropy": "bce",
    "binarycrossentropywithlogits": "bce", "sigmoidbinarycrossentropy": "bce", "sigmoidcrossentropy": "bce",
    "meansquarederror": "mse", "squarederror": "mse", "l2error": "mse", "meanabsoluteerror": "mae",
    "l1": "mae", "absoluteerror": "mae", "smoothl1": "huber", "kld": "kl_divergence",
    "kldiv": "kl_divergence", "kullbackleibler": "kl_divergence",
    "kullbackleiblerdivergence": "kl_divergence", "cosinesimilarity": "cosine", "tripletmargin": "triplet",
    "poissonnll": "poisson", "categoricalhinge": "hinge", "multimargin": "hinge", "pinball": "quantile",
    "infonce": "info_nce", "ntxent": "info_nce", "simplernn": "rnn", "elman": "rnn",
    "multiheadattention": "attention", "mha": "attention", "selfattention": "attention",
    "multiheaddotproductattention": "attention", "groupqueryattention": "attention",
    "scaleddotproductattention": "attention", "sdpa": "attention", "flashattention": "attention",
    "crossattention": "attention", "causalattention": "attention", "causalselfattention": "attention",
    "groupedqueryattention": "attention", "multiqueryattention": "attention",
    "posembed": "position_embedding", "posembedding": "position_embedding",
    "learnedpositionalembedding": "position_embedding", "learnedpositionalencoding": "position_embedding",
    "sinusoidalpositionalembedding": "sinusoidal_position", "sinusoidalpositionembedding":
    "sinusoidal_position", "sinusoidalpositionalencoding": "sinusoidal_position", "sinepositionencoding":
    "sinusoidal_position", "llamarotaryembedding": "rotary", "rotarypositionalembeddings": "rotary",
    "applyrotaryposemb": "rotary", "rotaryembeddings": "rotary",
    "textvectorization": "tokenize", "tokenizer": "tokenize",
    "stringlookup": "vocabulary", "spatialdropout": "channel_dropout", "dropout2d": "channel_dropout",
    "dropout1d": "channel_dropout", "dropout3d": "channel_dropout", "featuredropout": "channel_dropout",
    "stochasticdepth": "drop_path", "droppath": "drop_path", "rotaryembedding": "rotary", "rope": "rotary",
    "melspectrogram": "mel", "melscale": "mel", "stft": "spectrogram", "shorttimefouriertransform":
    "spectrogram",
}  # fmt: skip

MEMBERS = {
    "auc": "auroc", "rocauc": "auroc", "jaccard": "iou", "jaccardindex": "iou", "meaniou": "iou",
    "miou": "iou", "sensitivity": "recall", "tpr": "recall", "acc": "accuracy",
    "categoricalaccuracy": "accuracy", "sparsecategoricalaccuracy": "accuracy", "binaryaccuracy": "accuracy",
    "confusion": "confusion_matrix", "rootmeansquarederror": "rmse", "matthewscorrcoef": "mcc",
    "meanabsolutepercentageerror": "mape", "meansquarederror": "mse", "meanabsoluteerror": "mae",
    "topkaccuracy": "top_k", "topkcategoricalaccuracy": "top_k", "top5": "top_k", "top5accuracy": "top_k",
    "wer": "word_error_rate", "sacrebleu": "bleu", "levenshtein": "edit_distance", "steplr": "step",
    "levenshteindistance": "edit_distance", "editdist": "edit_distance", "cer": "edit_distance",
    "charerrorrate": "edit_distance", "exactmatch": "sequence_accuracy",
    "exponentiallr": "exponential", "exponentialdecay": "exponential", "cosineannealinglr": "cosine",
    "cosineannealing": "cosine", "cosinedecay": "cosine", "linearlr": "linear", "onecyclelr": "one_cycle",
    "onecycle": "one_cycle", "reducelronplateau": "plateau", "constantlr": "constant", "he": "he_normal",
    "henormal": "he_normal", "kaiming": "he_normal", "kaimingnormal": "he_normal",
    "kaiminguniform": "he_uniform", "xavier": "xavier_normal", "glorot": "xavier_normal",
    "glorotnormal": "xavier_normal", "glorotuniform": "xavier_uniform", "lecun": "lecun_normal",
    "randomnormal": "normal", "truncnormal": "normal", "truncatednormal": "normal",
    "randomuniform": "uniform", "constant": "full", "zero": "zeros", "one": "ones",
    "identity": "eye", "time": "ordered", "chronological": "ordered", "timeseries": "ordered",
    "timeseriessplit": "ordered", "groupkfold": "groups", "coverage": "quantile_coverage",
    "earlystopping": "patience", "clipgradnorm": "norm", "globalnorm": "norm", "clipgradvalue": "value",
    "l1l2": "elastic", "elasticnet": "elastic", "weightdecay": "l2", "mnist": "idx", "readcsv": "csv",
    "readparquet": "parquet", "imagefolder": "images", "momentum": "sgd", "adagradoptimizer": "adagrad",
}  # fmt: skip

# Settings: the name in another library, and the names that it can have here.
SETTINGS = {
    "learning_rate": ("lr",), "init_lr": ("lr",), "kernel_size": ("kernel",), "pool_size": ("kernel",),
    "n_fft": ("window",), "nfft": ("window",), "fft_length": ("window",), "frame_length": ("window",),
    "win_length": ("window",), "hop_length": ("hop",), "frame_step": ("hop",), "n_mels": ("bins",),
    "num_mel_bins": ("bins",), "n_mfcc": ("count",), "sample_rate": ("rate",), "sr": ("rate",),
    "samplerate": ("rate",), "f_min": ("low",), "fmin": ("low",), "f_max": ("high",), "fmax": ("high",),
    "window": ("kernel",), "window_size": ("window", "kernel"), "sliding_window": ("window",),
    "window_shape": ("kernel",), "ksize": ("kernel",), "strides": ("stride",),
    "dilation_rate": ("dilation",), "dilations": ("dilation",), "out_channels": ("channels",),
    "filters": ("channels",), "features": ("units", "channels", "dim"), "out_features": ("units",),
    "hidden_size": ("units",), "nonlinearity": ("activation",), "recurrent_initializer": ("init",),
    "hidden_dim": ("units",), "output_dim": ("dim", "units"),
    "width": ("units", "w"), "embedding_dim": ("dim",), "height": ("h",), "use_bias": ("bias",),
    "with_bias": ("bias",), "epsilon": ("eps",), "p": ("rate",), "prob": ("rate", "p"),
    "probability": ("rate", "p"), "dim": ("axis",), "dims": ("axis",), "axes": ("axis",), "pad": ("padding",),
    "ceil_mode": ("ceil",), "count_include_pad": ("count_padding",), "keepdim": ("keepdims",),
    "keep_dims": ("keepdims",), "num_groups": ("groups",), "feature_group_count": ("groups",),
    "negative_slope": ("slope",), "alpha": ("slope", "q"), "kernel_initializer": ("init",),
    "kernel_init": ("init",), "weight_init": ("init",),
    "embeddings_initializer": ("init",), "beta_1": ("beta1",), "beta_2": ("beta2",), "b1": ("beta1",),
    "b2": ("beta2",), "std": ("stddev",), "sigma": ("stddev",), "scale_factor": ("scale",),
    "size": ("scale", "h"), "upscale_factor": ("r",), "output_size": ("size", "h"),
    **dict.fromkeys(("num_heads", "n_heads", "nheads", "nhead", "n_head", "num_attention_heads"), ("heads",)),
    **dict.fromkeys(("num_kv_heads", "n_kv_heads", "num_key_value_heads", "num_query_groups"),
                    ("kv_heads",)),
    **dict.fromkeys(("is_causal", "use_causal_mask", "causal_mask"), ("causal",)),
    **dict.fromkeys(("attn_bias", "position_bias", "relative_position_bias"), ("scores",)),
    **dict.fromkeys(("attention_dropout", "attn_dropout", "attn_drop", "attn_pdrop",
                     "attention_probs_dropout_prob"), ("dropout",)),
    "dropout_p": ("dropout", "rate"), "dropout_rate": ("dropout", "rate"), "attention_mask": ("mask",),
    "rope_theta": ("rotary", "base"), "rope_base": ("rotary", "base"), "theta": ("base",),
    "qk_scale": ("scale",), "softmax_scale": ("scale",), "qkv_bias": ("bias",),
    "minimum": ("low",), "maximum": ("high",), "min": ("low",), "max": ("high",), "min_value": ("low",),
    "max_value": ("high",), "step_size": ("every",), "gamma": ("by",), "factor": ("by",), "max_lr": ("peak",),
    "eta_min": ("to",), "decay_rate": ("by",), "num_layers": ("layers",), "num_classes": ("classes",),
    "max_norm": ("limit",), "batch_size": ("batch",), "num_epochs": ("epochs",), "n_epochs": ("epochs",),
    "max_epochs": ("epochs",), "max_iter": ("epochs",), "n_iter": ("epochs",), "iters": ("steps",),
    "max_iterations": ("steps",), "max_steps": ("steps",), "num_steps": ("steps",), "iterations": ("steps",),
    "scheduler": ("schedule",), "lr_scheduler": ("schedule",), "lr_schedule": ("schedule",),
    "optim": ("optimizer",), "criterion": ("loss",), "loss_fn": ("loss",), "objective": ("loss",),
    "regularizer": ("regularize",), "regularization": ("regularize",), "grad_clip": ("clip",),
    "gradient_clip": ("clip",), "gradient_clip_val": ("clip",), "early_stopping": ("early_stop",),
    "accumulate_grad_batches": ("accumulate",), "gradient_accumulation_steps": ("accumulate",),
    "metric": ("metrics",), "random_state": ("seed",), "random_seed": ("seed",),
    "validation_split": ("validation",), "val": ("validation",), "val_split": ("validation",),
    "valid": ("validation",), "validation_size": ("validation",), "test_size": ("test",),
    "test_split": ("test",), "validation_data": ("validation",), "dataset": ("source",), "path": ("source",),
    "file": ("source", "path"), "filename": ("path",), "data": ("source",), "url": ("source",),
    "sep": ("separator",), "delimiter": ("separator",), "delim": ("separator",), "dropna": ("drop",),
    "na_values": ("missing",), "null_values": ("missing",), "opset_version": ("opset",),
    "output_names": ("outputs",),
    "pos_weight": ("positive",), "drop_prob": ("rate",), "quantile": ("q",), "na": ("missing",),
    "smoothing": ("label_smoothing",), "class_weight": ("weight",), "tau": ("temperature", "q"),
    "reduction": ("reduce",), "margins": ("margin",), "monitor": ("on",), "patience": ("n",), "wait": ("n",),
}  # fmt: skip

# Words of other languages for constants and types.
CONSTANTS = {
    **dict.fromkeys(("True", "TRUE", "yes", "on"), "true"),
    **dict.fromkeys(("False", "FALSE", "no", "off"), "false"),
    **dict.fromkeys(("None", "null", "nil", "NULL", "Null", "nullptr", "undefined", "Nothing"), "none"),
}  # fmt: skip
# Words for the batch size, in shapes that are written with a batch axis.
BATCH = frozenset({"None", "none", "null", "-1", "batch", "batch_size", "bs"})
COUNTS: dict[str, str] = dict.fromkeys(
    ("params", "param_count", "num_params", "n_params", "num_parameters"), "parameters"
)
# Bare words as values of settings.
WORDS = {
    "valid": "0",
    "VALID": "0",
    "SAME": "same",
    "CAUSAL": "causal",
    "replicate": "edge",
    "cubic": "bicubic",
}
TYPES = {
    **dict.fromkeys(("float32", "f32", "number", "num", "numeric", "numerical", "real", "decimal", "Tensor",
                     "tensor", "FloatTensor", "ndarray", "array", "vector", "Float", "Float32",
                     "continuous"), "float"),
    **dict.fromkeys(("double", "f64", "Float64"), "float64"),
    **dict.fromkeys(("half", "f16", "fp16"), "float16"), "bf16": "bfloat16",
    **dict.fromkeys(("int", "integer", "long", "i64", "Int", "Int64", "LongTensor"), "int64"),
    **dict.fromkeys(("short", "i16"), "int16"), **dict.fromkeys(("i32", "uint", "uint16", "uint32"), "int32"),
    **dict.fromkeys(("byte", "u8", "char"), "uint8"),
    **dict.fromkeys(("boolean", "Bool", "flag"), "bool"),
    **dict.fromkeys(("str", "String", "text", "Text", "bytes", "varchar"), "string"),
    **dict.fromkeys(("category", "categorical", "Categorical", "enum", "factor", "label", "classes",
                     "nominal"), "class(auto)"),
    **dict.fromkeys(("binary_class", "sigmoid", "yesno"), "binary"),
}  # fmt: skip

# Functions of two tensors that are operator symbols here.
SIGNS = {
    "matmul": "@", "mm": "@", "bmm": "@", "add": "+", "sub": "-", "subtract": "-", "mul": "*",
    "multiply": "*", "div": "/", "divide": "/", "pow": "**", "power": "**", "mod": "%", "equal": "==",
    "eq": "==", "greater": ">", "gt": ">", "less": "<", "lt": "<", "greaterorequal": ">=",
    "lessorequal": "<=", "logicaland": "and", "logicalor": "or",
}  # fmt: skip
# Functions of one tensor, and those of two that other libraries call by the same name.
OF_TWO = {"max": "maximum", "min": "minimum"}
FLOWS = frozenset(
    {"sequential", "chain", "compose", "pipeline", "makepipeline", "model"}
)  # functions whose arguments are the stages of a flow

_LOOK = "`dlc show` prints the shape of every value, and `dlc check` prints the errors"
_RETURN = "a body ends with `}`"
# Names without a counterpart: what to write instead.
NAME_HELP = {
    **dict.fromkeys(("maximize", "maximise"), "a loss is minimized: `-x` as a loss makes `x` large"),
    **dict.fromkeys(("print", "printf", "println", "echo", "puts", "display", "summary"), _LOOK),
    **dict.fromkeys(("end", "endif", "endfor", "fi", "done", "begin", "do", "then"), _RETURN),
    **dict.fromkeys(("pass", "continue", "break"), "a body may be empty, and a loop always runs to its end"),
    "enumerate": "`zip(range(len(l)), l)` pairs the entries of `l` with their numbers",
    **dict.fromkeys(("float", "str", "bool", "astype", "cast"), "numbers are converted automatically"),
    "int": "`round`, `floor` and `ceil` make whole numbers", "argsort": "the indices are `sort(x)[1]`",
    **dict.fromkeys(("zeros", "ones", "zeros_like", "ones_like", "full_like"),
                    "a number has any shape, as in `x + 1`; initial values are written `init=zeros`"),
    **dict.fromkeys(("map", "filter", "sorted", "list", "dict", "set", "tuple", "append"),
                    "a list is written `[a, b]`; `+` joins two lists, also in a `for` loop"),
    **dict.fromkeys(("self", "this", "super", "cls"),
                    "a block is not an object: it has its tensors and its settings"),
    **dict.fromkeys(("Model", "Module", "KerasModel"),
                    "a file is the model; a network with shared weights is a `net`"),
    **dict.fromkeys(("compile", "fit", "Trainer", "train_test_split", "DataLoader", "Dataset"),
                    "rows are named in `data { ... }`, training in `train { ... }`; `dlc train` runs it"),
    **dict.fromkeys(("read_csv", "pd", "DataFrame"),
                    "rows are read by `data { source = csv(\"rows.csv\") }`"),
    **dict.fromkeys(("Input", "InputLayer", "placeholder"), "inputs are declared: `input x: float[4]`"),
    **dict.fromkeys(("Parameter", "Variable", "add_weight"),
                    "weights are declared: `weight w: float[4] = zeros`"),
    **dict.fromkeys(("tensor", "as_tensor", "array", "asarray"),
                    "a list of numbers is a tensor, as in `x - [1, 2]`; `load` reads a tensor of a file"),
    "Normalize": "`standardize` fits mean and deviation to the rows; known ones: `(x - 0.5) / 0.25`",
    **dict.fromkeys(("ToTensor", "PILToTensor", "ToPILImage", "ConvertImageDtype", "ToDtype", "ToImage"),
                    "an input is a tensor already; numbers are scaled by arithmetic, `x / 255`"),
    "Activation": "write the activation as a stage: `-> relu`",
    "Lambda": "declare `block f(x) { return ... }`",
    "Rescaling": "numbers are scaled by arithmetic: `x / 255`",
    **dict.fromkeys(("Bidirectional", "BiLSTM", "BLSTM", "BiGRU"),
                    "both directions are a setting of the layer: `lstm(32, bidirectional=true)`"),
    **dict.fromkeys(("Masking", "pack_padded_sequence", "pad_packed_sequence", "pack_sequence",
                     "pad_sequence", "pad_sequences", "unpack_sequence", "PackedSequence"),
                    "rows of several lengths are padded, and padding is left out of every result; "
                    "`x.mask` is true for the steps of a row"),
    **TRANSFORMERS,
    "TimeDistributed": "`dense` works on the last axis only, and keeps the other axes",
    **dict.fromkeys(("squeeze", "unsqueeze", "expand_dims", "newaxis", "Unflatten", "RepeatVector"),
                    "`reshape` takes the new shape; an index, `x[0]`, removes an axis"),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D", "DepthwiseConv2D", "DepthwiseConv1D"),
                    "a depthwise convolution is a `conv` with as many `groups` as channels"),
    "pi": "write `3.141592653589793`", "einsum": "products of tensors are written with `@` and `transpose`",
    "Average": "the mean of two tensors is `(a + b) / 2`",
    "Dot": "the dot product of two vectors is `sum(a * b)`",
    "Max": "it is written `maximum` here", "Min": "it is written `minimum` here",
    "Slice": "a slice is written `x[0:3]`", "Softmax2d": "it is `softmax(axis=0)`",
    "UpsamplingBilinear2d": "it is `upsample(2, mode=bilinear)`", "Hardtanh": "it is `clip(-1, 1)`",
    "Tanhshrink": "it is `x - tanh(x)`", "LogSigmoid": "it is `log(sigmoid(x))`",
    **dict.fromkeys(("ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d"),
                    "each axis is padded by `pad(1, 1, axis=-1, mode=reflect)`"),
    **dict.fromkeys(("ReplicationPad1d", "ReplicationPad2d", "ReplicationPad3d"),
                    "each axis is padded by `pad(1, 1, axis=-1, mode=edge)`"),
    "Softmin": "it is `softmax(-x)`", "Reciprocal": "it is `1 / x`", "Neg": "it is `-x`",
    "rsqrt": "it is `1 / sqrt(x)`",
    **dict.fromkeys(("y_true", "targets", "target", "labels", "ground_truth"),
                    "the target of `OUTPUT` is `OUTPUT.target`; a loss of `OUTPUT` alone uses it"),
    **dict.fromkeys(("y_pred", "logits", "preds", "predictions"),
                    "after the flow into an output, the name of the output is the value that flowed in"),
    **dict.fromkeys(("require", "library", "include"),
                    "layers, losses and optimizers need no import; blocks of another file are imported by "
                    "`import f, g from \"other.dl\"`"),
}  # fmt: skip
# Names of other libraries that are similar to a word of the language and mean something else: no suggestion.
ABSENT = frozenset({
    "Threshold", "RReLU", "Acos", "Asin", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "acos", "asin",
    "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "Hardmax", "GatherND",
    "RandomZoom", "Tversky", "lion", "Lion", "lamb", "LAMB", "ASGD", "Rprop", "Adafactor", "adafactor",
    "SparseAdam", "ftrl", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D",
})  # fmt: skip
# Settings that say the opposite of a setting here.
OPPOSITES = {"return_sequences": "final"}
# Methods of tensors in other libraries, and the attribute that replaces each.
METHODS = {"size": "shape", "dim": "rank", "ndim": "rank", "ndimension": "rank", "get_shape": "shape"}

# Settings of the optimizer that are often written into `train`.
OPTIMIZERS_OWN = {"lr": "lr", "learning_rate": "lr", "momentum": "momentum", "weight_decay": "weight_decay"}


def normalized(name: str) -> list[str]:
    """The name in the form of the table keys, and without the affixes of other libraries."""
    plain = name.lower().replace("_", "").removeprefix("lazy")
    bare = re.sub(r"[123]d", "", plain)
    around = [bare.removesuffix(word) for word in ("layer", "loss", "cell", "score", "metric")]
    return list(dict.fromkeys((plain, bare, *around, bare.removeprefix("sync"))))


def named(name: str, *families: str) -> str:
    """The member of these families that has this name in another library; empty if there is none."""
    if name in ABSENT:
        return ""
    known, plain = _members(families)
    table = OPERATORS if "operator" in families or "loss" in families else MEMBERS
    for form in normalized(name):
        for names in (table, plain, aliases(families)):
            if (found := names.get(form)) and found in known:
                return found
    return ""


@cache
def _members(families: tuple[str, ...]) -> tuple[frozenset[str], dict[str, str]]:
    """All members of these families; and the public ones by their names without `_`."""
    from dlc.compiler.definitions.definition import Definition

    known = [
        word for family in families for word in (*Definition.families[family], *UNIMPLEMENTED.get(family, ()))
    ]
    return frozenset(known), {w.replace("_", ""): w for w in known if is_public(w, families)}


def is_public(word: str, families: Collection[str]) -> bool:
    from dlc.compiler.definitions.definition import Definition

    return all(getattr(Definition.families[f].get(word), "public", True) for f in families)


@cache
def aliases(families: tuple[str, ...]) -> dict[str, str]:
    """The names in other libraries that docstrings of definitions give, each with its member. A name that
    several members have is left out."""
    from dlc.compiler.definitions.definition import Definition

    found: dict[str, set[str]] = {}
    for word, definition in ((w, d) for family in families for w, d in Definition.families[family].items()):
        for call in re.findall(
            r"(?:torch|torchvision|torchmetrics|scikit-learn|ONNX) `(\w+)`(?=[,)])", definition.summary()
        ):
            if is_public(word, families):
                found.setdefault(call.lower().replace("_", ""), set()).add(word)
    return {call: words.pop() for call, words in found.items() if len(words) == 1}


def operator(name: str) -> str:
    """The help for an unknown name of an operator, a loss or another function; empty if there is none."""
    if phrase := NAME_HELP.get(name, NAME_HELP.get(name.lower(), "")):
        return phrase
    if name in CONSTANTS:
        return f"it is written `{CONSTANTS[name]}` here"
    plain = name.lower().replace("_", "")
    if plain in SIGNS:
        return f"it is an operator symbol here: `a {SIGNS[plain]} b`"
    if plain in FLOWS:
        return "stages are joined by arrows: `dense(8) -> relu -> dense(1)`"
    found = named(name, "operator", "combinator", "loss")
    return written(found) if found else ""


def written(word: str) -> str:
    return f"it is written `{word}` here"


def member(name: str, *families: str) -> str:
    """The help for an unknown metric, schedule, initial value or other member of these families."""
    found = named(name, *families)
    epochs = (
        "; it counts steps, not epochs" if "schedule" in families and found in ("step", "exponential") else ""
    )
    return f"{written(found)}{epochs}" if found else ""


def called(name: str, known: Container[str]) -> str:
    """The known setting that has this name in another library; empty if there is none."""
    return next((word for word in SETTINGS.get(name, ()) if word in known), "")


def setting(name: str, known: Container[str]) -> str:
    """The help for an unknown setting, given the names of the known ones; empty if there is none."""
    if found := called(name, known):
        return f"it is called `{found}` here"
    if "heads" in known and name in SETTINGS_OF_ATTENTION:
        return SETTINGS_OF_ATTENTION[name]
    if name in UNNEEDED_SETTINGS:
        return f"leave it out: {UNNEEDED_SETTINGS[name]}"
    return MOVED_SETTINGS.get(name, "")


def type_(name: str, *, called: bool = False) -> str:
    """The help for an unknown element type; `called` if brackets follow it. Empty if there is none."""
    found = TYPES.get(name, TYPES.get(name.lower(), ""))
    return f"write `{found.partition('(')[0] if called else found}`" if found else ""
