"""`dlc doc`, from the view of an author of specs."""

from __future__ import annotations

import subprocess
import sys
from itertools import takewhile

import pytest
from stories import dlc

import dlc as face
from dlc.compiler.definitions.definition import Definition
from dlc.compiler.definitions.unimplemented import UNIMPLEMENTED
from dlc.compiler.elaborate.scope import FUNCTIONS
from dlc.compiler.operators.base import Operator
from dlc.compiler.parse.syntax_hints import DECLARATIONS
from dlc.compiler.types import ELEMENTS
from dlc.reference import topics
from dlc.reference.words import find, keys, words


def specs_in(printed: str) -> list[str]:
    """The indented specs after the headings `A spec that uses it`."""
    parts = [part.lstrip("\n") for part in printed.split("\nA spec that uses it\n")[1:]]
    lines = [takewhile(lambda line: not line or line.startswith("    "), part.splitlines()) for part in parts]
    return ["\n".join(line.removeprefix("    ") for line in part) for part in lines]


def test_the_page_of_an_operator_has_signature_summary_and_shapes() -> None:
    printed = dlc("doc", "conv").output
    assert printed.startswith(
        "conv\n\nAn operator, listed under Convolutions.\n\n    conv(channels, kernel, stride=1"
    )
    assert "Convolution over one to three space axes" in printed
    assert "(torch `conv1d` to `conv3d`, ONNX `Conv`)" in " ".join(printed.split())
    assert "- `kernel`: size of the window (a whole number of at least 1" in printed
    assert "float[2, 8, 7]     -> conv(3, 3, stride=2, padding=1)            : float[3, 4, 4]" in printed
    assert "float[784]            -> conv(3, 3)                          E0201" in printed
    assert "    F.conv2d(x, weight, bias, (1, 1), (0, 0), (1, 1), 1)\n" in printed
    assert "    Conv(x, weight, bias, kernel_shape=[3, 3], strides=[1, 1], pads=[0, 0, 0, 0]," in printed
    (example,) = specs_in(printed)
    assert face.compile(text=example).compiled.warnings == ()


def test_words_that_share_a_name_are_both_shown() -> None:
    printed = dlc("doc", "mae").output
    assert "\nmae, a loss\n" in printed and "\nmae, a metric\n" in printed
    loss, metric = specs_in(printed.replace("\nmae, a metric\n", "\n"))
    assert "loss = mae(y)" in loss and "metrics = mae" in metric


def test_a_setting_of_a_section_lists_its_values() -> None:
    printed = dlc("doc", "early_stop").output
    assert "A setting of `train`, listed under Sections." in printed
    assert "- `patience(n, *, on=" in printed
    assert "`dlc doc train` lists the other settings." in printed


def test_a_symbol_a_section_and_a_block_are_words_too() -> None:
    assert "\n    a @ b\n" in dlc("doc", "@").output
    assert "\n    x -> f -> g -> OUTPUT\n" in dlc("doc", "->").output
    assert "uint8, int8, int16, int32, int64\n\nA type, listed under Types." in dlc("doc", "int16").output
    assert "\n    train { ... }\n" in dlc("doc", "train").output
    assert "import basic from std\n" in dlc("doc", "basic").output
    assert "- `batch`: rows per batch" in dlc("doc", "train").output


def test_without_a_word_all_are_listed() -> None:
    printed = dlc("doc").output
    assert "\nActivations\n" in printed and "\nOptimizers\n\nWritten as `optimizer` in `train`.\n" in printed
    assert [line.split("`")[1] for line in printed.splitlines() if line.startswith("- `")] == [
        word.name for word in words()
    ]


def test_a_typo_gets_a_suggestion() -> None:
    done = dlc("doc", "cnov")
    assert (done.exit_code, "help: did you mean `conv`?" in done.output) == (1, True)
    assert dlc("doc", "earlystop").output.startswith("`earlystop` is `early_stop` here.\n\nearly_stop\n")
    assert "help: `dlc doc` lists all words" in dlc("doc", "quaternion").output


def test_a_planned_word_is_reported_as_not_built() -> None:
    built = {word.name for word in (*words(), *keys())}
    (word, *_) = [w for named in UNIMPLEMENTED.values() for w in named if w not in built]
    assert f"`{word}` is not built yet" in dlc("doc", word).output


# --- every word -------------------------------------------------------------------------------------------


def test_every_type_function_and_declaration_is_a_word() -> None:
    known = {word.name for word in words()}
    assert {*ELEMENTS, *FUNCTIONS} <= known
    assert DECLARATIONS - {*UNIMPLEMENTED["train"]} <= known


def test_every_definition_is_a_word() -> None:
    known = {word.of for word in words() if isinstance(word.of, type)}
    for family, members in Definition.families.items():
        for definition in members.values():
            is_inner = issubclass(definition, Operator) and not (definition.public or definition.symbol)
            if definition.__module__.startswith("dlc.") and not (family == "operator" and is_inner):
                assert definition in known


def test_codes_and_names_of_other_libraries_get_a_hint() -> None:
    assert "`dlc explain W0701`" in dlc("doc", "w0701").output
    assert "`dlc doc conv`" in dlc("explain", "conv").output
    assert "`auc` is `auroc` here" in dlc("doc", "auc").output
    assert "`Linear` is `dense` here" in dlc("doc", "Linear").output


def test_settings_of_operators_and_optimizers_are_words_too() -> None:
    printed = " ".join(dlc("doc", "kernel").output.split())
    assert "A setting of `conv`, `conv_transpose`, `maxpool`, `avgpool`: size of the window" in printed
    assert "`dlc doc conv` says more" in printed
    assert "avgpool" not in dlc("doc", "conv.kernel").output
    assert dlc("doc", "train.accumulate").output == dlc("doc", "accumulate").output
    assert "it is called `kernel` here" in dlc("doc", "kernel_size").output


def test_a_name_may_bring_its_module_and_a_call_its_settings() -> None:
    assert "`nn.Linear` is `dense` here" in dlc("doc", "nn.Linear").output
    assert "`F.relu` is `relu` here" in dlc("doc", "F.relu").output
    assert "`torch.normal` is `sample_normal` here" in dlc("doc", "torch.normal").output
    assert dlc("doc", "dense(3)").output == dlc("doc", "dense").output


def test_an_empty_word_is_an_error() -> None:
    for word in ("", "()"):
        assert f"there is no word `{word}`" in dlc("doc", word).output


def test_symbols_and_constants_of_the_grammar_are_words() -> None:
    for word in ("=", ":", "#", "as", "none", "true"):
        assert dlc("doc", word).exit_code == 0, word


@pytest.mark.parametrize(("word", "here"), [
    ("nn.Linear", "dense"), ("keras.layers.Dense", "dense"), ("nn.CrossEntropyLoss", "cross_entropy"),
    ("optim.Adam", "adam"), ("Conv2d", "conv"), ("standardise", "standardize"),
    ("colour_jitter", "color_jitter"),
])  # fmt: skip
def test_an_alias_or_a_word_with_one_wrong_letter_shows_the_page_of_the_right_word(
    word: str, here: str
) -> None:
    done = dlc("doc", word)
    assert done.exit_code == 0
    assert done.output == f"`{word}` is `{here}` here.\n\n{dlc('doc', here).output}"


def test_several_words_are_shown_in_order() -> None:
    both = dlc("doc", "relu", "tanh").output
    assert both.startswith(dlc("doc", "relu").output)
    assert both.endswith(dlc("doc", "tanh").output)
    assert dlc("doc", "relu", "rleu").output.startswith("error: there is no word `rleu`")


# --- topics -----------------------------------------------------------------------------------------------

# Topics, and words that their pages must contain.
TOPICS = {
    "classification": "class cross_entropy accuracy",
    "regression": "float mse",
    "segmentation": "dice iou",
    "mask": "attention where class",
    "relative position": "attention gather scores=",
    "positional encoding": "position_embedding rotary",
    "normalization": "batchnorm layernorm standardize",
    "preprocessing": "standardize minmax",
    "missing values": "impute",
    "categorical": "class embedding one_hot",
    "activation": "relu gelu",
    "pooling": "maxpool avgpool",
    "overfitting": "dropout early_stop",
    "regularization": "regularize l1 l2 dropout",
    "early stopping": "early_stop patience",
    "learning rate": "optimizer schedule cosine",
    "checkpoint": "weights load",
    "onnx": "export opset",
    "gpu": "--device",
    "cuda": "--device",
    "autoencoder": "mse conv_transpose",
    "transfer learning": "weights freeze load",
    "fine-tuning": "freeze load",
    "batch size": "batch",
    "shuffle": "train.seed",
    "imbalance": "focal stratify cross_entropy",
    "reproducibility": "train.seed",
    "augment": "random_flip color_jitter",
    "augmentation": "random_crop mixup",
    "window": "npz conv csv ahead",
    "time series": "conv shift csv ahead",
    "images": "conv maxpool",
    "mixed precision": "train.precision",
    "hyperparameters": "param",
    "deployment": "export",
    "debugging": "shape",
    "skip connection": "residual",
    "batch norm": "batchnorm",
    "nan": "impute",
    "loss function": "mse cross_entropy",
    "dataset": "csv parquet",
    "timestamps": "int64 standardize",
    "pandas": "parquet data=frame",
    "frame": "csv data=frame",
    "ignore_index": "ignore valid drop",
}


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_leads_to_the_words_of_the_language(name: str) -> None:
    for arguments in ([name], name.split()):
        done = dlc("doc", *arguments)
        assert done.exit_code == 0
        assert [word for word in TOPICS[name].split() if word not in done.output] == []


def test_all_words_of_a_topic_are_built_or_planned() -> None:
    headings = {f"# {word.heading}" for word in words()}
    for topic in topics.topics():
        known = [word in headings or bool(find(word) or topics.not_built(word)) for word in topic.words]
        assert all(known), topic.names
        assert topics.topic(topic.names[-1]) == topic


def test_other_words_are_searched_for_in_the_documentation() -> None:
    printed = dlc("doc", "rectangle").output
    assert printed.startswith("rectangle\n\n- `random_erase`: ") and "`dlc doc WORD` explains one." in printed
    assert dlc("doc", "rectangles").output.partition("\n")[2] == printed.partition("\n")[2]
    assert "`softplus`" in dlc("doc", "without", "overflow").output


def test_a_planned_word_is_shown_with_alternatives() -> None:
    printed = dlc("doc", "sync").output
    assert "`sync` of `batchnorm` is not built yet" in printed
    printed = dlc("doc", "tune").output
    assert "`tune` is not built yet" in printed and "- `" in printed


def test_topics_load_nothing_heavy() -> None:
    program = "import sys; from dlc.cli.doc import page; page('overfitting'); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "dlc.reference.topics" in run.stdout.split()
    assert not {"torch", "numpy", "onnx"} & set(run.stdout.split())
