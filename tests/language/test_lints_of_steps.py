"""Lints about steps: nets that their losses do not reach, nets that nothing trains, a critic's step that
trains the generator, scores that are probabilities already, and gradients through `batchnorm`."""

from __future__ import annotations

import pytest

from dlc.compiler import Source, compile

NETS = """input  x: float[2]
input  noise: float[4]
output fake: float[2]
output code: float[3]

net generator(z) { return z -> dense(8) -> relu -> dense(2) }
net critic(x) { return x -> dense(8) -> relu -> dense(1) }
net encoder(x) { return x -> dense(8) -> relu -> dense(3) }
net decoder(h) { return h -> dense(8) -> relu -> dense(2) }
net judge(h) { return h -> dense(8) -> relu -> dense(1) }
net mixing(x) { return x -> dense(8) -> batchnorm -> relu -> dense(1) }

noise -> generator -> fake
"""
GAN = NETS.replace("output code: float[3]\n", "")
CODED = NETS + "x -> encoder -> code\n"
CRITIC = "step critic { loss = bce(critic(x), 1) + bce(critic(fake), 0) }"
GENERATOR = "step generator { loss = bce(critic(fake), 1) }"
BOTH = "step critic, generator { loss = bce(critic(x), 1) + bce(critic(fake), 0) }"
AUTOENCODER = "step encoder, decoder { loss = mse(decoder(code), x) }"
JUDGE = "step judge { loss = bce(judge(code), 0) + bce(judge(detach(code) * 0), 1) }"
FOOL = "step encoder { loss = bce(judge(code), 1) }"


def penalized(net: str) -> str:
    return (f"step {net} {{ loss = mean({net}(fake)) - mean({net}(x)) "
            f"+ mean((norm(gradient({net}(x), x)) - 1) ** 2) }}\n"
            f"step generator {{ loss = -mean({net}(fake)) }}")  # fmt: skip


def squashed(scores: str) -> str:
    return f"step critic {{ loss = bce({scores}, 1) + bce(critic(fake), 0) }}\n{GENERATOR}"


def warnings(head: str, train: str) -> list[str]:
    program = compile(Source("m.dl", f"{head}\ntrain {{\nsteps = 10\n{train}\n}}\n"))
    return [warning.code for warning in program.warnings]


SUSPICIOUS = {
    "a critic's step that trains the generator": ("W0423", GAN, f"{BOTH}\n{GENERATOR}"),
    "in a phase": ("W0423", GAN, f"phase a {{\n{BOTH}\n{GENERATOR}\n}}"),
    "a net that the loss does not reach": (
        "W0421", GAN, f"step critic, generator {{ loss = bce(critic(x), 1) }}\n{GENERATOR}"),
    "a net behind a detach": (
        "W0421", GAN, f"{BOTH.replace('(fake)', '(detach(fake))')}\n{GENERATOR}"),
    "a generator without a step": ("W0422", GAN, CRITIC),
    "a generator that no phase trains": ("W0422", GAN, f"phase a {{ {CRITIC} }}\nphase b {{ {CRITIC} }}"),
    "a layer outside of nets": (
        "W0422", GAN + "h = x -> dense(2)",
        f"step critic {{ loss = bce(critic(h), 1) + bce(critic(fake), 0) }}\n{GENERATOR}"),
    "batchnorm in a critic with a penalty": ("W0424", GAN, penalized("mixing")),
    "a mean of probabilities": ("W0405", GAN, squashed("mean(sigmoid(critic(x)))")),
    "clipped probabilities": ("W0405", GAN, squashed("clip(sigmoid(critic(x)), 0.01, 0.99)")),
    "one less the probability": ("W0405", GAN, squashed("1 - sigmoid(critic(x))")),
    "sigmoid of sigmoid": ("W0405", GAN, squashed("sigmoid(sigmoid(critic(x)))")),
    "scores between -1 and 1": ("W0401", GAN, squashed("tanh(critic(x))")),
    "weight decay twice in a step": (
        "W0412", GAN, CRITIC.replace("}", "\nregularize = l2(1e-4)\noptimizer = adamw }") + "\n" + GENERATOR),
    "a learning rate of a step": (
        "W0410", GAN, CRITIC.replace("}", "\noptimizer = adam(lr=30) }") + f"\n{GENERATOR}"),
    "a batch of a phase": ("W0410", GAN, f"phase a {{ batch = 100_000\n{CRITIC}\n{GENERATOR} }}"),
    "early stopping of a phase on training rows": (
        "W0411", GAN + 'data { source = csv("a.csv")\n noise = normal() }',
        f"phase a {{ early_stop = patience(3, on=train.critic.loss)\n{CRITIC}\n{GENERATOR} }}"),
}  # fmt: skip
INTENDED = {
    "a GAN": (GAN, f"{CRITIC}\n{GENERATOR}"),
    "a GAN with detach": (GAN, f"{CRITIC.replace('(fake)', '(detach(fake))')}\n{GENERATOR}"),
    "an adversarial autoencoder": (CODED, f"{AUTOENCODER}\n{JUDGE}\n{FOOL}\n{CRITIC}\n{GENERATOR}"),
    "a critic of reconstructions": (
        CODED, "\n".join((AUTOENCODER, CRITIC.replace("(fake)", "(decoder(code))"),
                          "step encoder { loss = bce(critic(decoder(code)), 1) }", GENERATOR))),
    "two nets of one loss": (
        GAN, "step critic, generator { loss = mse(critic(fake), 1) + mse(critic(x), 0) }"),
    "a frozen generator": (GAN, f"freeze = generator\n{CRITIC}"),
    "a loaded generator": (GAN, f'weights = load("g.safetensors", into=generator)\n{CRITIC}'),
    "one net in each phase": (GAN, f"phase a {{ {CRITIC} }}\nphase b {{ {GENERATOR} }}"),
    "a phase without steps": (
        CODED, "phase a { AE }\nphase b { loss = mse(decoder(code), x) + mse(fake, x) }".replace(
            "AE", AUTOENCODER)),
    "a penalty through layers": (GAN, penalized("critic")),
    "batchnorm in the generator alone": (
        GAN.replace("dense(8) -> relu -> dense(2)", "dense(8) -> batchnorm -> relu -> dense(2)"),
        penalized("critic")),
    "batchnorm in a frozen net": (
        GAN, "freeze = mixing\nstep generator { loss = mean(norm(gradient(mixing(fake), fake))) + mean(x) }"),
    "sigmoid before bce": (GAN, squashed("sigmoid(critic(x))")),
    "a critic that ends in sigmoid": (
        GAN.replace("relu -> dense(1) }\nnet encoder", "relu -> dense(1) -> sigmoid }\nnet encoder"),
        f"{CRITIC}\n{GENERATOR}"),
    "a mean of scores": (GAN, squashed("mean(critic(x))")),
    "a decay of one step, and a penalty of the other": (
        GAN, CRITIC.replace("}", "\nregularize = l2(1e-4)\noptimizer = adam }\n")
        + GENERATOR.replace("}", "\noptimizer = adamw }")),
    "early stopping without rows": (
        GAN + "data { x = normal()\n noise = normal() }",
        f"early_stop = patience(3, on=train.critic.loss)\n{CRITIC}\n{GENERATOR}"),
}  # fmt: skip


@pytest.mark.parametrize("name", SUSPICIOUS)
def test_it_warns_once(name: str) -> None:
    code, head, train = SUSPICIOUS[name]
    assert warnings(head, train) == [code]


@pytest.mark.parametrize("name", INTENDED)
def test_it_is_silent(name: str) -> None:
    assert warnings(*INTENDED[name]) == []
