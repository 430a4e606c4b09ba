"""Answers made step by step without dlc: `generate` of transformers, loops in Python around an ONNX model of
one step, and around modules in torch."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

from benchmarks.one_thread import session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transformers import GPT2LMHeadModel

    Weights = Mapping[str, np.ndarray]
    Answer = Callable[[np.ndarray], np.ndarray]


def layer_name(place: int) -> str:
    """The name of a block of the spec."""
    return "layer" if place == 0 else f"layer_{place + 1}"


# --- transformers -----------------------------------------------------------------------------------------


def by_generate(weights: Weights, layers: int, heads: int, most: int) -> Answer:
    """`generate` with its cache of keys and values."""
    from transformers import GPT2Config, GPT2LMHeadModel

    classes, width = weights["embedding.weight"].shape
    config = GPT2Config(
        vocab_size=classes,
        n_positions=len(weights["position_embedding.weight"]),
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        activation_function="gelu",
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=None,
        pad_token_id=0,
    )
    model: Any = GPT2LMHeadModel(config).eval()
    fill(model, weights)
    settings = {"max_new_tokens": most, "do_sample": False, "use_cache": True}

    @torch.no_grad()
    def answer(prompt: np.ndarray) -> np.ndarray:
        text = torch.from_numpy(prompt)
        found = model.generate(text, attention_mask=torch.ones_like(text), **settings)
        return found[:, prompt.shape[1] :].numpy()

    return answer


@torch.no_grad()
def fill(model: GPT2LMHeadModel, weights: Weights) -> None:
    """Copy the weights of the spec. The matrices of GPT-2 are transposed."""
    body: Any = model.transformer
    pairs = {
        "embedding.weight": body.wte.weight, "position_embedding.weight": body.wpe.weight,
        "layernorm.weight": body.ln_f.weight, "layernorm.bias": body.ln_f.bias,
        "dense.weight": model.lm_head.weight,
    }  # fmt: skip
    for name, tensor in pairs.items():
        tensor.copy_(torch.from_numpy(weights[name]))
    for place, block in enumerate(body.h):
        own, (weight, bias) = layer_name(place), projections(weights, layer_name(place))
        block.attn.c_attn.weight.copy_(torch.from_numpy(weight))
        block.attn.c_attn.bias.copy_(torch.from_numpy(bias))
        for module, name in ((block.ln_1, "layernorm"), (block.attn.c_proj, "attention.output"),
                             (block.ln_2, "layernorm_2"), (block.mlp.c_fc, "dense"),
                             (block.mlp.c_proj, "dense_2")):  # fmt: skip
            module.weight.copy_(torch.from_numpy(weights[f"{own}.{name}.weight"].T))
            module.bias.copy_(torch.from_numpy(weights[f"{own}.{name}.bias"]))


def projections(weights: Weights, layer: str) -> tuple[np.ndarray, np.ndarray]:
    """Queries, keys and values as one matrix `[features, units]`, and its bias."""
    parts = [f"{layer}.attention.{part}" for part in ("query", "key", "value")]
    matrix = np.concatenate([weights[f"{part}.weight"] for part in parts]).T
    return matrix, np.concatenate([weights[f"{part}.bias"] for part in parts])


# --- a model of one step in ONNX Runtime ------------------------------------------------------------------


class Nodes:
    """Collects the nodes and tensors of an ONNX graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def add(self, op_type: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op_type, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def tensor(self, array: Any) -> str:
        name = f"t{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name


class StepModel(Nodes):
    """GPT-2 with the weights of the spec. For one step: from a symbol of each row, its place, and keys and
    values so far, to scores, and keys and values with those of the step. Or for the steps of a prompt."""

    def __init__(self, weights: Weights, layers: int, heads: int, *, prompt: bool):
        super().__init__()
        self.weights, self.layers, self.heads, self.prompt = weights, layers, heads, prompt
        self.width = weights["embedding.weight"].shape[1]
        self.caches = caches(layers)
        self.carried: list[str] = []  # keys and values, with those of the step

    def build(self) -> bytes:
        x = self.add("Gather", self.tensor(self.weights["embedding.weight"]), "text")
        places = self.add("Gather", self.tensor(self.weights["position_embedding.weight"]), "places")
        x = self.add("Add", x, places)
        for place in range(self.layers):
            x = self.block(layer_name(place), x, self.caches[2 * place : 2 * place + 2])
        if self.prompt:
            x = self.add("Gather", x, self.tensor(np.int64(-1)), axis=1)
        x = self.norm(x, "layernorm")
        scores = self.add("MatMul", x, self.tensor(self.weights["dense.weight"].T))
        return self.model(scores)

    def block(self, own: str, x: str, caches: list[str]) -> str:
        y = self.attention(own, self.norm(x, f"{own}.layernorm"), caches)
        x = self.add("Add", x, self.linear(y, *self.dense(f"{own}.attention.output")))
        y = self.linear(self.norm(x, f"{own}.layernorm_2"), *self.dense(f"{own}.dense"))
        y = self.linear(self.add("Gelu", y), *self.dense(f"{own}.dense_2"))
        return self.add("Add", x, y)

    def attention(self, own: str, x: str, caches: list[str]) -> str:
        joined = self.linear(x, *projections(self.weights, own))
        q, k, v = (self.split(y) for y in self.add("Split", joined, outputs=3, axis=-1, num_outputs=3))
        if not self.prompt:
            k, v = (self.add("Concat", cache, y, axis=2) for cache, y in zip(caches, (k, v), strict=True))
        self.carried += [k, v]
        q = self.add("Mul", q, self.tensor(np.float32(1 / sqrt(self.width // self.heads))))
        scores = self.add("MatMul", q, self.add("Transpose", k, perm=[0, 1, 3, 2]))
        if self.prompt:
            hidden = self.add("Less", self.add("Unsqueeze", "places", self.tensor(np.array([1]))), "places")
            far = self.tensor(np.float32(-1e9)), self.tensor(np.float32(0))
            scores = self.add("Add", scores, self.add("Where", hidden, *far))
        found = self.add("MatMul", self.add("Softmax", scores, axis=-1), v)
        if not self.prompt:
            return self.add("Reshape", found, self.tensor(np.array([-1, self.width])))
        found = self.add("Transpose", found, perm=[0, 2, 1, 3])
        return self.add("Reshape", found, self.tensor(np.array([0, 0, self.width])))

    def split(self, x: str) -> str:
        """The heads, `[batch, heads, steps, features]`."""
        size = self.width // self.heads
        if not self.prompt:
            return self.add("Reshape", x, self.tensor(np.array([-1, self.heads, 1, size])))
        x = self.add("Reshape", x, self.tensor(np.array([0, 0, self.heads, size])))
        return self.add("Transpose", x, perm=[0, 2, 1, 3])

    def dense(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        return self.weights[f"{name}.weight"].T, self.weights[f"{name}.bias"]

    def linear(self, x: str, matrix: np.ndarray, bias: np.ndarray) -> str:
        factor, term = self.tensor(matrix), self.tensor(bias)
        if self.prompt:
            return self.add("Add", self.add("MatMul", x, factor), term)
        return self.add("Gemm", x, factor, term)

    def norm(self, x: str, name: str) -> str:
        given = (self.tensor(self.weights[f"{name}.{leaf}"]) for leaf in ("weight", "bias"))
        return self.add("LayerNormalization", x, *given, axis=-1, epsilon=1e-5)

    def model(self, scores: str) -> bytes:
        def declared(names: list[str], steps: str) -> list[onnx.ValueInfoProto]:
            shape = ["batch", self.heads, steps, self.width // self.heads]
            return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names]

        text, places = (["batch", "steps"], ["steps"]) if self.prompt else (["batch"], [])
        inputs = [helper.make_tensor_value_info("text", TensorProto.INT64, text),
                  helper.make_tensor_value_info("places", TensorProto.INT64, places)]  # fmt: skip
        inputs += [] if self.prompt else declared(self.caches, "past")
        outputs = [helper.make_tensor_value_info(scores, TensorProto.FLOAT, ["batch", "classes"])]
        outputs += declared(self.carried, "steps" if self.prompt else "longer")
        graph = helper.make_graph(self.nodes, "steps", inputs, outputs, self.tensors)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
        onnx.checker.check_model(made)
        return made.SerializeToString()


def caches(layers: int) -> list[str]:
    """The names of keys and values as inputs."""
    return [f"{part}_{layer}" for layer in range(layers) for part in ("keys", "values")]


def arrays(run: Any, given: dict[str, np.ndarray]) -> list[np.ndarray]:
    return run.run(None, given)


def by_steps(weights: Weights, layers: int, heads: int, most: int) -> Answer:
    """A loop in Python around the model of one step. With arrays it is faster than with `OrtValue`s or an
    `IOBinding`, whose outputs grow."""
    of_prompt, of_step = (
        session(StepModel(weights, layers, heads, prompt=prompt).build()) for prompt in (True, False)
    )
    names = caches(layers)

    def answer(prompt: np.ndarray) -> np.ndarray:
        steps = prompt.shape[1]
        scores, *carried = arrays(of_prompt, {"text": prompt, "places": np.arange(steps)})
        found = [scores.argmax(-1)]
        for place in range(steps, steps + most - 1):
            given = {"text": found[-1], "places": np.array(place)} | dict(zip(names, carried, strict=True))
            scores, *carried = arrays(of_step, given)
            found.append(scores.argmax(-1))
        return np.stack(found, 1)

    return answer


# --- an encoder and a decoder in torch --------------------------------------------------------------------


class Speller(nn.Module):
    """A recurrent encoder, and a recurrent decoder with attention, one step at a time."""

    def __init__(self, weights: Weights, heads: int, most: int) -> None:
        super().__init__()
        self.weights = {name: torch.from_numpy(array) for name, array in weights.items()}
        self.heads, self.most = heads, most
        width, units = weights["embedding.weight"].shape[1], weights["gru.weight_hh_l0"].shape[1]
        self.encoder = nn.GRU(width, units, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(width, units, batch_first=True)
        for name, module in (("gru", self.encoder), ("speak.gru", self.decoder)):
            module.load_state_dict({key: self.weights[f"{name}.{key}"] for key in module.state_dict()})

    def linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return F.linear(x, self.weights[f"speak.{name}.weight"], self.weights[f"speak.{name}.bias"])

    def split(self, x: torch.Tensor, part: str) -> torch.Tensor:
        return self.linear(x, f"attention.{part}").unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, spelling: torch.Tensor) -> torch.Tensor:
        memory, _ = self.encoder(F.embedding(spelling, self.weights["embedding.weight"]))
        keys, values = self.split(memory, "key"), self.split(memory, "value")
        table = self.weights["speak.embedding.weight"]
        said, state = torch.full((len(spelling), 1), len(table) - 1), None
        found, ended = [], torch.zeros(len(spelling), 1, dtype=torch.bool)
        while len(found) < self.most and not ended.all():
            heard, state = self.decoder(F.embedding(said, table), state)
            read = F.scaled_dot_product_attention(self.split(heard, "query"), keys, values)
            read = self.linear(read.transpose(1, 2).flatten(2), "attention.output")
            said = self.linear(torch.cat([heard, read], -1), "dense").argmax(-1)
            said = said.masked_fill(ended, len(table) - 2)
            ended = said == len(table) - 2
            found.append(said)
        return torch.cat(found, 1)


def by_modules(weights: Weights, heads: int, most: int) -> Answer:
    model = Speller(weights, heads, most).eval()

    def answer(spelling: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(spelling)).numpy()

    return answer
