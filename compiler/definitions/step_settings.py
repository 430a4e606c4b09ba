"""Names that other libraries use for the turns of several networks, and what to write instead."""

from __future__ import annotations

TIMES = "it is written `times` here, in the step: `step NET { times = 5 }`"
# Names of numbers of updates in a round.
COUNTS = frozenset({
    "n_critic", "critic_steps", "critic_iters", "d_steps", "g_steps", "n_dis", "n_gen", "n_disc", "d_iters",
    "disc_steps", "disc_iters", "discriminator_steps", "generator_steps", "discriminator_extra_steps",
    "inner_steps", "k_steps",
})  # fmt: skip
# Names that hold a net in other libraries, in `train` without a step.
NETS = dict.fromkeys(("discriminator", "generator", "critic", "models", "networks"),
                     "a network has a step: `step NET { loss = ... }`")  # fmt: skip
# By section: names that are settings elsewhere, or that other libraries have.
HELP = {
    "step": {
        "steps": "`times` is the number of updates in each round; `train { steps = ... }` is the length of "
                 "the training",
        **dict.fromkeys(("updates", "repeat", "repeats", "every", "frequency", "count"), TIMES),
        "freeze": "a step changes only what it names: leave it out",
        "accumulate": "it belongs in `train`, and holds for every step; `times = n` are n updates in a round",
        "weights": "trained weights are read by `train` or a `phase`: "
                   "`weights = load(\"f.safetensors\", into=NET)`",
        **dict.fromkeys(("net", "nets", "params", "parameters", "trainable", "var_list", "model", "on"),
                        "the names after `step` are what it trains: `step NET { ... }`"),
        **dict.fromkeys(("detach", "stop_gradient", "requires_grad", "no_grad"),
                        "leave it out: a step computes no gradient for other nets"),
    },
    "train": {
        "step": "a step is a section: `step NET { loss = ... }`",
        **dict.fromkeys(("phase", "phases", "stages", "stage", "pretrain", "pretraining"),
                        "a phase is a section: `phase NAME { epochs = ... }`"),
        **NETS,
    },
    "phase": {
        "step": "a step is a section: `step NET { loss = ... }`",
        **dict.fromkeys(("unfreeze", "thaw", "trainable"),
                        "in a phase, `freeze` names all that is frozen; `freeze = []` freezes nothing"),
    },
}  # fmt: skip


def help(section: str, name: str) -> str:
    """The fix for an unknown setting of `train`, a `step` or a `phase`; empty if there is none."""
    if name in COUNTS:
        return TIMES
    if name in ("maximize", "maximise"):
        return "a loss is minimized: `loss = -x` makes `x` large"
    return HELP.get(section, {}).get(name, "")
