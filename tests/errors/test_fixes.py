"""The fixes in messages are correct: a fix removes its error and does not cause syntax errors.

Users write what they know from Keras, PyTorch, JAX, Python, C, R, ... Applying the fixes leads to a spec
without errors.
"""

# ruff: noqa: RUF001

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from fixing import diagnostics_of, fixed, fixed_throughout

from dlc.compiler import Diagnostic, compile, reader
from dlc.compiler.diagnostics.codes import SPEC, codes, page

HERE = Path(__file__).parent
SYNTAX = HERE.parent / "syntax/errors.txt"

HEAD = "input x: float[4]\ninput image: float[3, 32, 32]\noutput y: float\noutput k: class(10)\n"
TAIL = {"y": "x -> dense(1) -> y\n", "k": "image -> flatten -> dense(10) -> k\n"}

# A line as a user writes it, and the same line after all fixes.
LINES = {
    # Keras
    'x -> dense(16, activation="relu") -> dense(1) -> y': 'x -> dense(16) -> relu -> dense(1) -> y',
    'x -> dense(16, activation=relu) -> dense(1) -> y': 'x -> dense(16) -> relu -> dense(1) -> y',
    'x -> dense(16, activation=None) -> dense(1) -> y': 'x -> dense(16) -> dense(1) -> y',
    'x -> dense(16, "relu") -> dense(1) -> y': 'x -> dense(16) -> relu -> dense(1) -> y',
    'x -> Dense(16, activation="relu", use_bias=False) -> Dense(1) -> y':
        'x -> dense(16, bias=false) -> relu -> dense(1) -> y',
    "h = Dense(16, activation='relu')(x)\nh -> dense(1) -> y":
        'h = (dense(16) -> relu)(x)\nh -> dense(1) -> y',
    "image -> Conv2D(8, (3, 3), activation='relu', input_shape=(28, 28, 1)) -> flatten -> dense(10) -> k":
        'image -> conv(8, (3, 3)) -> relu -> flatten -> dense(10) -> k',
    'image -> conv2d(filters=8, kernel_size=3, strides=2, padding="same") -> flatten -> dense(10) -> k':
        'image -> conv(channels=8, kernel=3, stride=2, padding=same) -> flatten -> dense(10) -> k',
    'image -> conv(8, 3, padding="valid") -> flatten -> dense(10) -> k':
        'image -> conv(8, 3, padding=0) -> flatten -> dense(10) -> k',
    'image -> MaxPooling2D(pool_size=(2, 2)) -> GlobalAveragePooling2D() -> Dense(10) -> k':
        'image -> maxpool(kernel=(2, 2)) -> global_avgpool -> dense(10) -> k',
    'x -> dense(8, kernel_initializer="he_normal") -> dense(1) -> y':
        'x -> dense(8, init=he_normal) -> dense(1) -> y',
    'h = Sequential([Dense(16), ReLU(), Dense(1)])\nx -> h -> y':
        'h = dense(16) -> relu -> dense(1)\nx -> h -> y',
    'x -> dense(8) -> Activation("tanh") -> dense(1) -> y': 'x -> dense(8) -> tanh -> dense(1) -> y',
    'y = Dense(1)(x)': 'dense(1)(x) -> y',
    'x -> dense(8) -> dropout(20%) -> dense(1) -> y': 'x -> dense(8) -> dropout(0.2) -> dense(1) -> y',
    'x -> dropout(7.5%) -> gaussian_noise(1%) -> dense(1) -> y':
        'x -> dropout(0.075) -> gaussian_noise(0.01) -> dense(1) -> y',
    'image[0] -> LSTM(8, return_sequences=False, activation="tanh") -> dense(10) -> k':
        'image[0] -> lstm(8, final=true) -> dense(10) -> k',
    'image[0] -> SimpleRNN(8, return_sequences=True, activation="relu") -> last -> dense(10) -> k':
        'image[0] -> rnn(8, activation=relu) -> last -> dense(10) -> k',
    'image[0] -> Bidirectional(LSTM(8, return_sequences=True)) -> last -> dense(10) -> k':
        'image[0] -> lstm(8, bidirectional=true) -> last -> dense(10) -> k',
    # PyTorch
    'image[0] -> nn.LSTM(28, 8, 2, batch_first=True, bidirectional=True) -> last -> dense(10) -> k':
        'image[0] -> lstm(8, 2, bidirectional=true) -> last -> dense(10) -> k',
    'image[0] -> nn.RNN(28, 8, nonlinearity="relu") -> last -> dense(10) -> k':
        'image[0] -> rnn(8, activation=relu) -> last -> dense(10) -> k',
    'x -> nn.Linear(4, 8) -> nn.ReLU() -> nn.Linear(8, 1) -> y': 'x -> dense(8) -> relu -> dense(1) -> y',
    'x -> Linear(4, 8) -> Linear(1) -> y': 'x -> dense(8) -> dense(1) -> y',
    'x -> dense(4, 8) -> dense(1) -> y': 'x -> dense(8) -> dense(1) -> y',
    'x -> dense(in_features=4, out_features=8) -> dense(1) -> y': 'x -> dense(units=8) -> dense(1) -> y',
    'image -> nn.Conv2d(3, 8, 3, padding=1, bias=False) -> BatchNorm2d(8) -> nn.Flatten() -> dense(10) -> k':
        'image -> conv(8, 3, padding=1, bias=false) -> batchnorm -> flatten -> dense(10) -> k',
    'image -> batchnorm(3) -> flatten -> dense(10) -> k': 'image -> batchnorm -> flatten -> dense(10) -> k',
    'image -> GroupNorm(3, 3) -> flatten -> dense(10) -> k':
        'image -> groupnorm(3) -> flatten -> dense(10) -> k',
    'x -> Dropout(p=0.5, inplace=True) -> LayerNorm(4) -> dense(1) -> y':
        'x -> dropout(rate=0.5) -> layernorm -> dense(1) -> y',
    'x -> LeakyReLU(negative_slope=0.1) -> dense(1) -> y': 'x -> leaky_relu(slope=0.1) -> dense(1) -> y',
    'h = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))\nx -> h -> y':
        'h = dense(8) -> tanh -> dense(1)\nx -> h -> y',
    'h = F.relu(x)\nh -> dense(1) -> y': 'h = relu(x)\nh -> dense(1) -> y',
    'h = torch.cat((x, x))\nh -> dense(1) -> y': 'h = concat((x, x))\nh -> dense(1) -> y',
    'h = x.relu()\nh -> dense(1) -> y': 'h = relu(x)\nh -> dense(1) -> y',
    'h = x.view(2, 2)\nh -> flatten -> dense(1) -> y': 'h = reshape(x, 2, 2)\nh -> flatten -> dense(1) -> y',
    'h = x.add(x)\nh -> dense(1) -> y': 'h = x + x\nh -> dense(1) -> y',
    'h = torch.mul(x, x + 1)\nh -> dense(1) -> y': 'h = x * (x + 1)\nh -> dense(1) -> y',
    'n = x.shape()': 'n = x.shape',
    'h = x[:, 0]': 'h = x[0]',
    'self.fc = nn.Linear(4, 1)\nx -> fc -> y': 'fc = dense(1)\nx -> fc -> y',
    'x @ torch.eye(4) -> dense(1) -> y': 'x @ eye(4) -> dense(1) -> y',
    'x -> dense(8) -> stdev -> y': 'x -> dense(8) -> std -> y',
    'h = max(0, x)\nh -> dense(1) -> y': 'h = maximum(0, x)\nh -> dense(1) -> y',
    'h = (x, x) -> min\nh -> dense(1) -> y': 'h = (x, x) -> minimum\nh -> dense(1) -> y',
    'h = F.pad(image, (1, 2, 0, 0, 2, 2), mode="reflect") + 1\nh -> flatten -> dense(10) -> k':
        ('h = (image -> pad(1, 2, axis=-1, mode=reflect) -> pad(2, 2, axis=-3, mode=reflect)) + 1\n'
         'h -> flatten -> dense(10) -> k'),
    'image -> F.interpolate(size=(16, 16), mode="cubic") -> flatten -> dense(10) -> k':
        'image -> resize(h=16, w=16, mode=bicubic) -> flatten -> dense(10) -> k',
    'image -> resize((16, 16)) -> flatten -> dense(10) -> k':
        'image -> resize(h=16, w=16) -> flatten -> dense(10) -> k',
    'image -> random_crop(size=(16, 16)) -> flatten -> dense(10) -> k':
        'image -> random_crop(h=16, w=16) -> flatten -> dense(10) -> k',
    'image -> nn.Dropout2d(p=0.2) -> DropPath(drop_prob=0.1) -> flatten -> dense(10) -> k':
        'image -> channel_dropout(rate=0.2) -> drop_path(rate=0.1) -> flatten -> dense(10) -> k',
    'x -> dense(1) -> y\ntrain {\nloss = quantile(y, tau=0.9)\n}':
        'x -> dense(1) -> y\ntrain {\nloss = quantile(y, q=0.9)\n}',
    'image -> flatten -> dense(10) -> k\ntrain {\nmetrics = [TopKCategoricalAccuracy(k=3), top5]\n}':
        'image -> flatten -> dense(10) -> k\ntrain {\nmetrics = [top_k(k=3), top_k(5)]\n}',
    'image -> resize(16, 16, mode=nearest, align_corners=true) -> flatten -> dense(10) -> k':
        'image -> resize(16, 16, mode=nearest) -> flatten -> dense(10) -> k',
    'image -> pad(1, 1, axis=-1, value = 5, mode=reflect) -> flatten -> dense(10) -> k':
        'image -> pad(1, 1, axis=-1, mode=reflect) -> flatten -> dense(10) -> k',
    # JAX
    'h = nn.Dense(features=8)(x)\nh -> dense(1) -> y': 'h = dense(units=8)(x)\nh -> dense(1) -> y',
    'h = jnp.exp(x)\nh -> dense(1) -> y': 'h = exp(x)\nh -> dense(1) -> y',
    'image -> nn.Conv(features=8, kernel_size=(3, 3)) -> flatten -> dense(10) -> k':
        'image -> conv(channels=8, kernel=(3, 3)) -> flatten -> dense(10) -> k',
    # Python
    'x -> dense(1, bias=True) -> y': 'x -> dense(1, bias=true) -> y',
    ('import torch\n'
     'import torch.nn as nn\nfrom torch.nn import functional as F\nx -> nn.ReLU() -> dense(1) -> y'):
        'x -> relu -> dense(1) -> y',
    'from std import basic': 'import basic from std',
    'h = lambda t: relu(t)\nx -> h -> dense(1) -> y': 'h = relu\nx -> h -> dense(1) -> y',
    'h = lambda t: t * 2\nx -> h -> dense(1) -> y': 'block h(t) { return t * 2 }\nx -> h -> dense(1) -> y',
    'n: int = 3': 'n= 3',
    'n = 3;': 'n = 3',
    'i = 0\ni += 2': 'i = 0\ni = i + 2',
    'i = 0\ni++': 'i = 0\ni = i + 1',
    'if x.rank is 1 { n = 3 }': 'if x.rank == 1 { n = 3 }',
    'h = (*x,)': 'h = (x,)',
    'n = r"a"': 'n = "a"',
    "x -> 'relu' -> dense(1) -> y": 'x -> relu -> dense(1) -> y',
    "n = 'a'": 'n = "a"',
    'n = 1,000': 'n = 1_000',
    'if true { n = 1 } elif false { n = 2 }': 'if true { n = 1 } else if false { n = 2 }',
    'for i in 3 { n = i }': 'for i in range(3) { n = i }',
    '@jit': '',
    'x -> dense(1) -> y // output': 'x -> dense(1) -> y # output',
    'h = dense(1)(*(x))\nh -> y': 'h = dense(1)((x))\nh -> y',
    'block f(x, n=3) { return x -> dense(n) }\nx -> f(2) -> dense(1) -> y':
        'block f(x; n=3) { return x -> dense(n) }\nx -> f(2) -> dense(1) -> y',
    'block f(x, n, m=3) { return x -> dense(n) -> dense(m) }\nx -> f(2) -> dense(1) -> y':
        'block f(x; n, m=3) { return x -> dense(n) -> dense(m) }\nx -> f(2) -> dense(1) -> y',
    'block f(a, b, n=3) { return a + b -> dense(n) }\n(x, x) -> f(2) -> dense(1) -> y':
        'block f(a, b; n=3) { return a + b -> dense(n) }\n(x, x) -> f(2) -> dense(1) -> y',
    'block f(x: Tensor, n: int = 3) { return x -> dense(n) }\nx -> f -> dense(1) -> y':
        'block f(x; n= 3) { return x -> dense(n) }\nx -> f -> dense(1) -> y',
    'block f x { return x }\nx -> f -> dense(1) -> y': 'block f (x) { return x }\nx -> f -> dense(1) -> y',
    # C, JavaScript, Rust, R, Julia
    'for i in 0..3 { n = i }': 'for i in range(3) { n = i }',
    'for i in 1..=3 { n = i }': 'for i in range(1, 4) { n = i }',
    'for i in 1:3 { n = i }': 'for i in range(1, 4) { n = i }',
    'for i = 1:3 { n = i }': 'for i in range(1, 4) { n = i }',
    'for (i in 1:3) { n = i }': 'for i in range(1, 4) { n = i }',
    'let n = 3;': 'n = 3',
    'const n = 3': 'n = 3',
    'for (int i = 0; i < 3; i++) { n = i }': 'for i in range(3) { n = i }',
    'float n = 3': 'n = 3',
    'for (let i = 1; i <= 3; i++) { n = i }': 'for i in range(1, 4) { n = i }',
    'auto n = 3;': 'n = 3',
    'n = true ? 1 : 2': 'n = 1 if true else 2',
    'n = 2 + (true ? 1 : 2)': 'n = 2 + (1 if true else 2)',
    'if x.rank == 1 && !false { n = 1 }': 'if x.rank == 1 and not false { n = 1 }',
    'if x.rank == 1 || false { n = 1 }': 'if x.rank == 1 or false { n = 1 }',
    'n = 2 ^ 3': 'n = 2 ** 3',
    'if x.rank == 1 | false { n = 1 }': 'if x.rank == 1 or false { n = 1 }',
    'n = 0xff': 'n = 255',
    'n = 1.5f': 'n = 1.5',
    'n := 3': 'n = 3',
    'n = .5': 'n = 0.5',
    'n = 2.': 'n = 2.0',
    'n = null': 'n = none',
    'n = NULL': 'n = none',
    'function f(a) { return a -> dense(3) }\nx -> f -> dense(1) -> y':
        'block f(a) { return a -> dense(3) }\nx -> f -> dense(1) -> y',
    'f(a) = dense(3)(a)\nx -> f -> dense(1) -> y':
        'block f(a) { return dense(3)(a) }\nx -> f -> dense(1) -> y',
    'import { basic } from std': 'import basic from std',
    '// what comes next\nn = 3': '# what comes next\nn = 3',
    'h = new Dense(3)': 'h = dense(3)',
    # flows
    'y <- dense(1) <- relu <- x': 'x -> relu -> dense(1) -> y',
    'x | dense(8) | dense(1) | y': 'x -> dense(8) -> dense(1) -> y',
    'x |> dense(1) |> y': 'x -> dense(1) -> y',
    'x => dense(1) => y': 'x -> dense(1) -> y',
    'x >> dense(1) >> y': 'x -> dense(1) -> y',
    'x --> dense(1) -> y': 'x -> dense(1) -> y',
    'x → dense(1) → y': 'x -> dense(1) -> y',
    'x –> dense(1) —> y': 'x -> dense(1) -> y',
    'x - > dense(1) - > y': 'x -> dense(1) -> y',
    'x > dense(1) > y': 'x -> dense(1) -> y',
    'x -> dense(1) > y': 'x -> dense(1) -> y',
    'x %>% dense(1) -> y': 'x -> dense(1) -> y',
    'y = x -> dense(1)': 'x -> dense(1) -> y',
    'y = dense(1)(x) if true else x': '(dense(1)(x) if true else x) -> y',
    # characters
    'x -> dеnse(1) -> y': 'x -> dense(1) -> y',
    'x -> dense(1, biаs=false) -> y': 'x -> dense(1, bias=false) -> y',
    'х -> dense(1) -> y': 'x -> dense(1) -> y',
    'іf true { n = 1 }': 'if true { n = 1 }',
    'n = nоt true': 'n = not true',
    'trаin { epochs = 3 }': 'train { epochs = 3 }',
    'train { еpochs = 3 }': 'train { epochs = 3 }',
    'train { optimizer = аdam }': 'train { optimizer = adam }',
    'n = x.shаpe': 'n = x.shape',
    'ｘ -> ｄｅｎｓｅ（1） -> ｙ': 'x -> dense(1) -> y',
    'x -> dense(1) -> y \u200b': 'x -> dense(1) -> y ',
    'café = 3': 'café = 3',
    'n = 2 × 3 − 4 ÷ 5': 'n = 2 * 3 - 4 / 5',
    'n = “a”': 'n = "a"',
    'n = ‘a’': 'n = "a"',
    'n = `a`': 'n = "a"',
    'n = «a»': 'n = "a"',
    'n = "a”': 'n = "a"',
    'if x.rank ≥ 1 { n = 1 }': 'if x.rank >= 1 { n = 1 }',
    'n = $x': 'n = x',
    # numbers
    'x -> dropout(20%) -> dense(1) -> y': 'x -> dropout(0.2) -> dense(1) -> y',
    'n = 15%\nm = 5': 'n = 0.15\nm = 5',
    'n = 15 %\n4': 'n = 15 %\n4',
    'x -> dropout(0,2) -> dense(1) -> y': 'x -> dropout(0.2) -> dense(1) -> y',
    'x -> clip(0,1) -> dense(1) -> y': 'x -> clip(0,1) -> dense(1) -> y',
    'n = 0,25': 'n = 0.25',
    'n = 0,250': 'n = 0.250',
    'train { optimizer = sgd(lr=0,05, momentum=0,9) }': 'train { optimizer = sgd(lr=0.05, momentum=0.9) }',
    'n = 2k': 'n = 2_000',
    'train {\nepochs = 30 epochs\n}': 'train {\nepochs = 30\n}',
    # text that is copied from web pages, notebooks and terminals
    'x -&gt; dense(1) -&gt; y': 'x -> dense(1) -> y',
    'n = &quot;a&quot;': 'n = "a"',
    'if x.rank &lt; 2 &amp;&amp; x.rank &gt;= 1 { n = 1 }': 'if x.rank < 2 and x.rank >= 1 { n = 1 }',
    '>>> n = 3': 'n = 3',
    'In [3]: n = 3': 'n = 3',
    '!dlc train model.dl\nn = 3': 'n = 3',
    '$ dlc train model.dl\nn = 3': 'n = 3',
    '%%writefile model.dl\nn = 3': 'n = 3',
    '```\nn = 3': 'n = 3',
    'n = 3 // 4 of them': 'n = 3 # 4 of them',
    # stages
    'x -> dense 8 -> dense 1 -> y': 'x -> dense(8) -> dense(1) -> y',
    'x -> dense[8] -> dense{1} -> y': 'x -> dense(8) -> dense(1) -> y',
    'image -> conv 8 3 -> flatten -> dense(10) -> k': 'image -> conv(8, 3) -> flatten -> dense(10) -> k',
    'x -> Dense(4 => 8, relu) -> dense(1) -> y': 'x -> dense(8) -> relu -> dense(1) -> y',
    'n <- 3': 'n = 3',
    # paths
    'data { source = csv(rows/a.csv) }': 'data { source = csv("rows/a.csv") }',
    'data { source = csv("C:\\rows\\a.csv") }': 'data { source = csv("C:/rows/a.csv") }',
    'data { source = csv("rows\\new.csv") }': 'data { source = csv("rows/new.csv") }',
    # sections
    'train {\nepochs 3\noptimizer adam(lr=0.1)\n}': 'train {\nepochs = 3\noptimizer = adam(lr=0.1)\n}',
    'train { metrics = mae, rmse }': 'train { metrics = [mae, rmse] }',
    'train { optimizer = sgd lr=0.1 momentum=0.9 }': 'train { optimizer = sgd(lr=0.1, momentum=0.9) }',
    'trainer { max_epochs = 3 }': 'train { epochs = 3 }',
    'train { epochs: 3 }': 'train { epochs= 3 }',
    'train {\nepochs: 3,\nbatch: 16,\n}': 'train {\nepochs= 3\nbatch= 16\n}',
    "train { loss = 'cross_entropy' }": 'train { loss = cross_entropy(k) }',
    'train { lr_schedule = cosine }': 'train { schedule = cosine }',
    'train { optimizer = Adam(learning_rate=1e-3, betas=(0.9, 0.999), amsgrad=False) }':
        'train { optimizer = adam(lr=1e-3, beta1=0.9, beta2=0.999) }',
    'train { optimizer = "adam" }': 'train { optimizer = adam }',
    'train { metrics = ["accuracy"] }': 'train { metrics = [accuracy] }',
    'train { optimizer = torch.optim.AdamW(lr=0.001) }': 'train { optimizer = adamw(lr=0.001) }',
    'train { optimizer = "SGD" }': 'train { optimizer = sgd(lr=0.1, momentum=0.9) }',
    'train { num_epochs = 3\nbatch_size = 16 }': 'train { epochs = 3\nbatch = 16 }',
    'train = { epochs = 3 }': 'train { epochs = 3 }',
    'train: { epochs = 3 }': 'train{ epochs = 3 }',
    'train { loss = CrossEntropyLoss(k) + nn.MSELoss()(y) }': 'train { loss = cross_entropy(k) + mse(y) }',
    'train { loss = MSE(y) + ce(k) }': 'train { loss = mse(y) + cross_entropy(k) }',
    ('data { source = builtin("iris")\n'
     'validation_split = 0.1 }\ntrain { early_stop = EarlyStopping(patience=3, monitor="val_loss") }'):
        ('data { source = builtin("iris")\n'
         'validation = 0.1 }\ntrain { early_stop = patience(n=3, on=validation.loss) }'),
}  # fmt: skip


def spec(line: str, meant: str) -> str:
    """A spec with this line; outputs without a flow in the line get one after it."""
    return f"{HEAD}{line}\n" + "".join(
        tail for name, tail in TAIL.items() if not re.search(rf"> {name}\b", meant)
    )


@pytest.mark.parametrize("line", LINES)
def test_applying_all_fixes_leads_to_a_spec_without_errors(line: str) -> None:
    meant = LINES[line]
    done = fixed_throughout(spec(line, meant))
    assert [d.message for d in diagnostics_of(done) if d.severity == "error"] == []
    wanted = spec(meant, meant)
    assert [
        text.strip() for text in done.splitlines() if text.strip()
    ] == wanted.splitlines() or done == wanted


@pytest.mark.parametrize("line", LINES)
def test_every_error_has_a_fix(line: str) -> None:
    """There are no consequential errors, which would not have a fix."""
    for problem in diagnostics_of(spec(line, LINES[line])):
        assert fixed(spec(line, LINES[line]), problem) is not None, problem.message


# --- all fixes --------------------------------------------------------------------------------------------


def texts() -> dict[str, str]:
    """All texts of the tests that have errors."""
    found = {path.name: path.read_text("utf-8") for path in sorted(HERE.glob("*.dl"))}
    for title, case in re.findall(r"^=== (.*)\n((?:.*\n)*?)---$", SYNTAX.read_text("utf-8"), re.MULTILINE):
        found[f"syntax: {title}"] = case
    for code in codes():
        found |= {code: page(code).wrong.files[SPEC]} if code.startswith("E") else {}
    return found | {line: spec(line, meant) for line, meant in LINES.items()}


TEXTS = texts()


def key(problem: Diagnostic) -> tuple[str, str, str]:
    """Identifies an error without its position."""
    return problem.code, problem.message, problem.span.text if problem.span else ""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (place % 2)) for place, name in enumerate(TEXTS)]
)
def test_a_fix_removes_its_error(name: str) -> None:
    def make(source):
        return compile(source, read=reader(HERE))

    text = TEXTS[name]
    problems = diagnostics_of(text, make)
    before = Counter(map(key, problems))
    for problem in problems:
        better = fixed(text, problem)
        if better is None:
            continue
        after = diagnostics_of(better, make)
        assert Counter(map(key, after))[key(problem)] < before[key(problem)], better
        known = [d.message for d in problems]
        unread = [d.message for d in after if d.code.startswith("E01") and d.message not in known]
        assert unread == [], better
