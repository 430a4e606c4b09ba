"""Random texts: specs with words deleted, duplicated or exchanged, and random programs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from dlc.compiler.definitions.definition import Definition
from dlc.compiler.elaborate.scope import is_public

if TYPE_CHECKING:
    from random import Random

ROOT = Path(__file__).parents[2]
WORD = re.compile(
    r"[^\W\d]\w*|\d[\w.]*(?:(?<=[eE])[+-]\d+)?|\"[^\"\n]*\"|->|==|!=|<=|>=|//|\*\*|\.\.\.|\n|[^\s\w]"
)


def texts() -> list[str]:
    """The specs of the project, and a smaller number of specs with errors."""
    sound, broken = sorted(ROOT.glob("specs/*.dl")), sorted(Path(__file__).parent.glob("*.dl"))
    return [p.read_text("utf-8") for p in (*sound * 12, *broken)]


def garble(random: Random, specs: list[str]) -> str:
    """A spec with a few of its words deleted, duplicated, exchanged, or taken from another."""
    words = WORD.findall(re.sub(r"#.*", "", random.choice(specs)))
    others = WORD.findall(random.choice(specs))
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        i, j = random.randrange(len(words)), random.randrange(len(words))
        change = random.randrange(6)
        if change == 0:
            del words[i : i + random.choice((1, 1, 2, 5))]
        elif change == 1:
            words[j:j] = words[i : i + random.choice((1, 3, 12))]
        elif change == 2:
            words[i], words[j] = words[j], words[i]
        elif change == 3:
            words[i] = random.choice(others)
        elif change == 4:
            words[i] = random.choice(
                (
                    "0",
                    "-1",
                    "1e30",
                    "99999999999",
                    "none",
                    "true",
                    "[]",
                    "()",
                    "x",
                    "T",
                    '""',
                    "if",
                    "->",
                    "{",
                    "}",
                )
            )
        else:
            k = random.randrange(len(others))
            words[i:i] = others[k : k + 6]
        words = words or ["x"]
    return " ".join(words)


SIGNS = ("+", "-", "*", "/", "//", "%", "@", "**", "==", "<", "and", "or")
INDICES = ("0", "-1", "1:", "..., 0", ":, 1", "::2", "n", "9")
ATTRIBUTES = ("shape", "features", "classes", "target", "logits", "probabilities", "rank", "mask")
LOSSES = ("mse", "bce", "cross_entropy", "dice", "perceptron")
# Stages that are often valid.
STAGES = (
    "dense(4)", "relu", "dense(3)", "softmax", "sigmoid", "dropout(0.5)",
    "flatten", "conv(4, 3, padding=1)", "mean", "standardize",
    "residual(dense(4))", "repeat(n, dense(4))", "layernorm",
    "transpose", "reshape(-1)", "batchnorm", "branch(relu, tanh)",
    "concat", "each(dense(4))", "dense(1)", "threshold", "f", "g", "argmax", "cumsum(axis=0)", "tanh",
)  # fmt: skip


class Writer:
    """Writes random programs that are syntactically valid."""

    def __init__(self, random: Random):
        self.random = random
        self.names = ["a", "b", "y", "z", "n", "w", "f", "g", "h", "k"]
        self.calls = [
            n
            for family in ("operator", "combinator", "loss")
            for n in Definition.families[family]
            if is_public(family, n)
        ]

    def program(self) -> str:
        """Declarations, statements and a section, which are rarely valid; or a flow that often is."""
        return self.pick(self.anything, self.anything, self.likely)

    def likely(self) -> str:
        shape = self.random.choice(("[4]", "[3, 8, 8]", "[2, 3]", "[T, 4]", ""))
        lines = [
            "param n = 2",
            f"input a: {self.random.choice(('float', 'float', 'uint8'))}{shape}",
            "output y: float",
            "h = a",
        ]
        lines += [
            f"{kind} {name}(p) {{ return p -> {self.random.choice(STAGES[:12])} }}"
            for kind, name in (("block", "f"), ("net", "g"))
        ]
        for _ in range(self.random.randrange(1, 7)):
            flow = " -> ".join(self.random.choices(STAGES, k=self.random.randrange(1, 3)))
            lines.append(
                self.random.choice(
                    (
                        f"h = h -> {flow}",
                        f"h = h + (h -> {flow})",
                        f"if h.rank > 1 {{ h = h -> {flow} }}",
                        f"h = h * {self.value(0)}",
                    )
                )
            )
        return "\n".join([*lines, "h -> mean -> y", self.section() if self.random.random() < 0.3 else ""])

    def anything(self) -> str:
        lines = [
            self.declaration(n) for n in self.names if n not in ("h", "k") and self.random.random() < 0.95
        ]
        lines += [self.statement(2) for _ in range(self.random.randrange(1, 5))]
        lines += [f"{self.flow(2)} -> {name}" for name in ("y", "z") if self.random.random() < 0.8]
        if self.random.random() < 0.4:
            lines.append(self.section())
        return "\n".join(lines)

    def name(self) -> str:
        return self.random.choice((*self.names, "a", "a", "b"))

    def pick(self, *makers):
        return self.random.choice(makers)()

    def type(self) -> str:
        element = self.random.choice(
            (
                "float",
                "float",
                "float",
                "float",
                "uint8",
                "bool",
                "class(3)",
                "class(auto)",
                "binary",
                "string",
                "class(p, q)",
            )
        )
        shape = self.random.choice(
            ("", "[4]", "[4]", "[4]", "[3, 8, 8]", "[T, 4]", "[n]", "[T + 1, 4]", "[2, 3]", "[1]")
        )
        return element + shape

    def declaration(self, name: str) -> str:
        if name in "ab":
            return f"input {name}: {self.type()}"
        if name in "yz":
            return f"output {name}: {self.type()}"
        if name == "n":
            return f"param n = {self.random.choice(('2', '4', '3', '[1, 2]', 'true', '0.5'))}"
        if name == "w":
            return (
                f"weight w: float{self.random.choice(('', '[4]', '[4, 4]', '[8, 3]'))} = "
                f"{self.random.choice(('zeros', 'normal(0.1)'))}"
            )
        others = self.random.choice(("", ", h", "; k = 2", "; k = 2, h = k"))
        return f"{'block' if name == 'f' else 'net'} {name}(a{others}) {self.body(2)}"

    def body(self, depth: int) -> str:
        lines = [self.statement(depth - 1) for _ in range(self.random.randrange(3))]
        return "{\n" + "\n".join([*lines, f"return {self.expression(2)}"]) + "\n}"

    def statement(self, depth: int) -> str:
        if depth <= 0:
            return f"h = {self.expression(2)}"
        return self.pick(
            lambda: f"h = {self.expression(3)}",
            lambda: f"k = {self.flow(2)}",
            lambda: f"h, k = {self.expression(2)}",
            lambda: (
                f"if {self.condition()} {{ {self.statement(depth - 1)} }} else {{ "
                f"{self.statement(depth - 1)} }}"
            ),
            lambda: (
                f"for {self.name()} in "
                f"{self.random.choice(('range(n)', '[1, 2]', 'a.shape', self.expression(1)))} {{ "
                f"{self.statement(depth - 1)} }}"
            ),
        )

    def condition(self) -> str:
        return self.random.choice(("true", "n == 2", "a.rank > 1", "not false", self.expression(1)))

    def flow(self, depth: int) -> str:
        return " -> ".join(
            [self.expression(1), *(self.stage(depth - 1) for _ in range(self.random.randrange(1, 5)))]
        )

    def stage(self, depth: int) -> str:
        return self.pick(
            self.name,
            lambda: self.random.choice(self.calls),
            lambda: self.random.choice(STAGES),
            lambda: self.random.choice(STAGES),
            lambda: self.call(depth),
        )

    def call(self, depth: int) -> str:
        name = self.random.choice((*self.calls, *self.names))
        declared = next(
            (
                Definition.families[f][name]
                for f in ("operator", "combinator", "loss")
                if name in Definition.families[f]
            ),
            None,
        )
        settings = list(declared.settings) if declared else ["n", "w"]
        arguments = []
        for _ in range(self.random.randrange(4)):
            value = self.value(depth)
            arguments.append(
                f"{self.random.choice(settings)}={value}"
                if settings and self.random.random() < 0.4
                else value
            )
        return f"{name}({', '.join(arguments)})"

    def value(self, depth: int) -> str:
        return self.pick(
            lambda: str(self.random.choice((0, 1, 1, 2, 2, 3, 4, -1, 0.5, 10**6))),
            lambda: str(self.random.choice((1, 2, 3, 4, 8))),
            self.name,
            lambda: self.expression(depth),
            lambda: self.random.choice(
                ("same", "none", "true", "false", "median", "zeros", "[1, 2]", "[[1, 2], [3, 4]]")
            ),
            lambda: self.stage(depth - 1) if depth > 0 else self.name(),
        )

    def expression(self, depth: int) -> str:
        if depth <= 0:
            return self.random.choice((*self.names, "1", "2", "0", "3.5", "true", "[]", '"s"'))
        inner = depth - 1
        return self.pick(
            self.name,
            lambda: self.flow(inner),
            lambda: f"({self.flow(inner)})",
            lambda: self.call(inner),
            lambda: f"{self.expression(inner)} {self.random.choice(SIGNS)} {self.expression(inner)}",
            lambda: f"[{self.expression(inner)}, {self.expression(inner)}]",
            lambda: f"({self.expression(inner)}, {self.expression(inner)})",
            lambda: f"{self.name()}[{self.random.choice(INDICES)}]",
            lambda: f"{self.name()}.{self.random.choice(ATTRIBUTES)}",
            lambda: f"({self.expression(inner)} if {self.expression(inner)} else {self.expression(inner)})",
            lambda: f"range({self.expression(inner)})",
            lambda: f"len({self.expression(inner)})",
            lambda: f"(-{self.expression(inner)})",
        )  # fmt: skip

    def section(self) -> str:
        return self.pick(
            lambda: f"train {{ loss = {self.random.choice(LOSSES)}({self.name()})\n"
                    f" optimizer = adam(lr={self.value(1)}) }}",
            lambda: f"train {{ regularize = [l1(1e-3, on={self.name()}), l2({self.value(1)})]\n"
                    f" metrics = [accuracy, {self.name()}] }}",
            lambda: f"data {{ source = table([[1, 2], [3, 4]], columns=[a, {self.name()}])\n"
                    f" validation = {self.value(1)} }}",
            lambda: f"export {{ outputs = [{self.name()}, {self.name()}.logits] }}",
            lambda: f"expect {{ parameters == {self.value(1)}\n"
                    f" shape({self.name()}) == {self.expression(1)}\n train.loss < 3 }}",
        )  # fmt: skip
