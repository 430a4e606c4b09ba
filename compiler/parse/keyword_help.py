"""Words that start a statement in other languages, and what to write instead."""

from __future__ import annotations

# Words of other libraries for a training that comes before or after another.
PHASE = "trainings that follow each other are written `phase NAME { ... }` in `train { ... }`"
PHASES = dict.fromkeys(("stage", "stages", "pretrain", "pretraining", "finetune", "fine_tune", "finetuning",
                        "warmup_phase", "period"), PHASE)  # fmt: skip
# Words for networks, which open a body in other languages.
NETWORKS = {
    word: f"a network is declared `net {word}(x) {{ ... }}`; its training is `step {word} {{ ... }}`"
    for word in ("generator", "discriminator", "critic", "encoder", "decoder", "teacher", "student")
}

LAYERS = "layers are written in a flow: `x -> dense(8) -> relu -> y`"
# Words that start a statement in other languages, without a rule in `dialects`.
KEYWORD_HELP = {
    **dict.fromkeys(("elif", "elseif", "elsif"), "write `else if`"),
    **dict.fromkeys(("while", "until", "loop", "foreach"), "the only loop is `for x in list { ... }`"),
    **dict.fromkeys(("from", "using", "use"),
                    'an import is written `import f, g from "other.dl"`'),
    **dict.fromkeys(("with", "try", "except", "finally", "catch", "raise", "throw"),
                    "a spec only describes a computation: remove these lines"),
    **dict.fromkeys(("switch", "match", "case", "when"),
                    "a choice is written `if c { ... } else if d { ... }`"),
    **dict.fromkeys(("assert", "test", "check"), "expectations are written in `expect { ... }`"),
    **dict.fromkeys(("del", "nonlocal", "yield", "await", "defer", "typedef", "package"),
                    "remove the line"),
    **dict.fromkeys(("layers", "architecture", "neural_network"),
                    f"a file is one model, without a block around it; {LAYERS}"),
    **dict.fromkeys(("inputs", "input_features", "features"), "each input is declared: `input x: float`"),
    **dict.fromkeys(("outputs", "output_features"), "each output is declared: `output y: float`"),
    **dict.fromkeys(("preprocessing", "transforms"), "preprocessing is part of the flow: `x -> standardize`"),
    **dict.fromkeys(("dataset", "source", "rows"), "the source of rows is given in `data { source = ... }`"),
    **dict.fromkeys(("training", "optimizer", "loss", "trainer", "hyperparameters"),
                    "settings of training are written in `train { ... }`"),
    **PHASES, **NETWORKS,
}  # fmt: skip
