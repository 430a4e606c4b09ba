"""BERT, LLaMA and the encoder of T5 agree with `transformers`, at several lengths with padding, and a wrong
detail is noticed."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from agreement import ANSWERS, TOLERANCE, WEIGHTS, difference
from transformers_agreement import (
    Answers,
    Reference,
    Rows,
    assert_agrees,
    copied,
    draw,
    mask_of,
    program_of,
    randomize,
    torch_engine,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

Sizes = dict[str, int]


def bert(sizes: Mapping[str, int]) -> nn.Module:
    from transformers import BertConfig, BertForMaskedLM

    return BertForMaskedLM(BertConfig(
        vocab_size=sizes["tokens"], hidden_size=sizes["width"], num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"], intermediate_size=sizes["hidden"],
        max_position_embeddings=sizes["longest"],
    ))  # fmt: skip


def llama(sizes: Mapping[str, int]) -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(
        vocab_size=sizes["tokens"], hidden_size=sizes["width"], num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"], num_key_value_heads=sizes["kv_heads"],
        intermediate_size=sizes["hidden"], rms_norm_eps=1e-5,
    ))  # fmt: skip


def t5(sizes: Mapping[str, int]) -> nn.Module:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(T5Config(
        vocab_size=sizes["tokens"], d_model=sizes["width"], d_kv=sizes["width"] // sizes["heads"],
        d_ff=sizes["hidden"], num_layers=sizes["layers"], num_heads=sizes["heads"],
        relative_attention_num_buckets=32, relative_attention_max_distance=128, is_encoder_decoder=False,
    ))  # fmt: skip


def words_of_bert(module: nn.Module, rows: Rows) -> Answers:
    answer = module(rows["words"], attention_mask=mask_of(rows), token_type_ids=rows["types"])
    return {"word_logits": answer.logits, "word_probabilities": answer.logits.softmax(-1)}


def next_of_llama(module: nn.Module, rows: Rows) -> Answers:
    answer = module(rows["seen"], attention_mask=mask_of(rows))
    return {"next_logits": answer.logits, "next_probabilities": answer.logits.softmax(-1)}


def states_of_t5(module: nn.Module, rows: Rows) -> Answers:
    return {"states": module(rows["words"], attention_mask=mask_of(rows)).last_hidden_state}


REFERENCES = {
    "bert": Reference("bert.dl", "word, word.logits", bert, {
        "table": "bert.embeddings.word_embeddings.weight",
        "bias": "cls.predictions.bias",
        "position_embedding": "bert.embeddings.position_embeddings",
        "embedding": "bert.embeddings.token_type_embeddings",
        "layernorm": "bert.embeddings.LayerNorm",
        "layer{i}.attention.query": "bert.encoder.layer.{i}.attention.self.query",
        "layer{i}.attention.key": "bert.encoder.layer.{i}.attention.self.key",
        "layer{i}.attention.value": "bert.encoder.layer.{i}.attention.self.value",
        "layer{i}.attention.output": "bert.encoder.layer.{i}.attention.output.dense",
        "layer{i}.layernorm": "bert.encoder.layer.{i}.attention.output.LayerNorm",
        "layer{i}.dense": "bert.encoder.layer.{i}.intermediate.dense",
        "layer{i}.dense_2": "bert.encoder.layer.{i}.output.dense",
        "layer{i}.layernorm_2": "bert.encoder.layer.{i}.output.LayerNorm",
        "dense": "cls.predictions.transform.dense",
        "layernorm_2": "cls.predictions.transform.LayerNorm",
    }, words_of_bert, tied=("cls.predictions.decoder.weight", "cls.predictions.decoder.bias")),
    "llama": Reference("llama.dl", "next, next.logits", llama, {
        "embedding": "model.embed_tokens",
        "layer{i}.rmsnorm": "model.layers.{i}.input_layernorm",
        "layer{i}.attention.query": "model.layers.{i}.self_attn.q_proj",
        "layer{i}.attention.key": "model.layers.{i}.self_attn.k_proj",
        "layer{i}.attention.value": "model.layers.{i}.self_attn.v_proj",
        "layer{i}.attention.output": "model.layers.{i}.self_attn.o_proj",
        "layer{i}.rmsnorm_2": "model.layers.{i}.post_attention_layernorm",
        "layer{i}.swiglu.dense": "model.layers.{i}.mlp.gate_proj",
        "layer{i}.swiglu.dense_2": "model.layers.{i}.mlp.up_proj",
        "layer{i}.swiglu.dense_3": "model.layers.{i}.mlp.down_proj",
        "rmsnorm": "model.norm",
        "dense": "lm_head",
    }, next_of_llama),
    "t5": Reference("t5_encoder.dl", "states", t5, {
        "embedding": "shared",
        "distances.table": "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        "layer{i}.rmsnorm": "encoder.block.{i}.layer.0.layer_norm",
        "layer{i}.attention.query": "encoder.block.{i}.layer.0.SelfAttention.q",
        "layer{i}.attention.key": "encoder.block.{i}.layer.0.SelfAttention.k",
        "layer{i}.attention.value": "encoder.block.{i}.layer.0.SelfAttention.v",
        "layer{i}.attention.output": "encoder.block.{i}.layer.0.SelfAttention.o",
        "layer{i}.rmsnorm_2": "encoder.block.{i}.layer.1.layer_norm",
        "layer{i}.dense": "encoder.block.{i}.layer.1.DenseReluDense.wi",
        "layer{i}.dense_2": "encoder.block.{i}.layer.1.DenseReluDense.wo",
        "rmsnorm": "encoder.final_layer_norm",
    }, states_of_t5, tied=("encoder.embed_tokens.weight",)),
}  # fmt: skip
SMALL: dict[str, Sizes] = {
    "bert": {"tokens": 50, "layers": 2, "width": 32, "heads": 4, "hidden": 64, "longest": 40},
    "llama": {"tokens": 50, "layers": 2, "width": 32, "heads": 4, "kv_heads": 2, "hidden": 80},
    "t5": {"tokens": 50, "layers": 2, "width": 32, "heads": 4, "hidden": 64},
}
# bert-base-uncased, TinyLlama-1.1B (Zhang et al. 2024) and t5-small, the first two with fewer layers.
PUBLISHED: dict[str, Sizes] = {
    "bert": {"tokens": 30_522, "layers": 2, "width": 768, "heads": 12, "hidden": 3072, "longest": 512},
    "llama": {"tokens": 32_000, "layers": 1, "width": 2048, "heads": 32, "kv_heads": 4, "hidden": 5632},
    "t5": {"tokens": 32_128, "layers": 6, "width": 512, "heads": 8, "hidden": 2048},
}
LENGTHS = ([1], [7], [5, 9, 1, 3])
FURTHEST = {"bert": [40], "llama": [90, 40], "t5": [140, 90]}  # to the last position, and the last bucket


@cache
def module(name: str) -> nn.Module:
    return randomize(REFERENCES[name].build(SMALL[name]))


@pytest.mark.parametrize("name", REFERENCES)
def test_agrees(name: str) -> None:
    assert_agrees(
        REFERENCES[name], program_of(REFERENCES[name], SMALL[name]), module(name), *LENGTHS, FURTHEST[name]
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", REFERENCES)
def test_agrees_in_the_published_size(name: str) -> None:
    sizes = PUBLISHED[name]
    published = randomize(REFERENCES[name].build(sizes))
    assert_agrees(REFERENCES[name], program_of(REFERENCES[name], sizes), published, [130, 77], [12])


WRONG = {
    "another eps of the norms": ("bert", "eps=1e-12", "eps=1e-5", ANSWERS),
    "norms before the parts": (
        "bert", "x = x -> residual(attention(heads)) -> layernorm(eps=1e-12)\n",
        "x = x -> residual(layernorm(eps=1e-12) -> attention(heads))\n", ANSWERS),
    "the norm within the residual": (
        "bert", "residual(attention(heads)) -> layernorm(eps=1e-12)",
        "residual(attention(heads) -> layernorm(eps=1e-12))", ANSWERS),
    "the approximate gelu": ("bert", "-> gelu ->", "-> gelu(approximate=tanh) ->", ANSWERS),
    "other heads": ("bert", "attention(heads)", "attention(heads // 2)", ANSWERS),
    "products without a scale": ("bert", "attention(heads)", "attention(heads, scale=1)", ANSWERS),
    "a causal encoder": ("bert", "attention(heads)", "attention(heads, causal=true)", ANSWERS),
    "no types": ("bert", " + (types -> embedding(width))", " + (0 * (types -> embedding(width)))", ANSWERS),
    "no positions": ("bert", " -> position_embedding(longest)", "", WEIGHTS),
    "no norm after the embeddings": (
        "bert", "x -> layernorm(eps=1e-12) -> repeat", "x -> repeat", WEIGHTS),
    "another eps of the RMS norms": ("llama", "eps=1e-5", "eps=1e-6", ANSWERS),
    "layer norms": ("llama", "rmsnorm", "layernorm", WEIGHTS),
    "another base of the rotary positions": ("llama", "10_000", "500_000", ANSWERS),
    "no rotary positions": ("llama", ", rotary=base", "", ANSWERS),
    "steps that see later ones": ("llama", "causal=true, ", "", ANSWERS),
    "one head of keys and values": ("llama", "kv_heads=kv_heads", "kv_heads=1", WEIGHTS),
    "no activation of the gate": ("llama", "-> dense(hidden, bias=false) -> silu\n",
                                   "-> dense(hidden, bias=false)\n", ANSWERS),
    "biases": ("llama", "rotary=base, bias=false", "rotary=base", WEIGHTS),
    "scaled products": ("t5", "scale=1", "scale=auto", ANSWERS),
    "fewer near distances": ("t5", "near   = buckets // 4", "near = buckets // 4 - 1", ANSWERS),
    "another furthest distance": ("t5", "furthest = 128", "furthest = 100", ANSWERS),
    "distances rounded down": ("t5", "[ceil(", "[floor(", ANSWERS),
    "before and behind alike": ("t5", "buckets // 2 * (ahead > 0)", "0 * ahead", ANSWERS),
    "before and behind exchanged": ("t5", "buckets // 2 * (ahead > 0)", "buckets // 2 * (ahead < 0)",
                                    ANSWERS),
    "layer norms in T5": ("t5", "rmsnorm", "layernorm", WEIGHTS),
    "gelu": ("t5", "relu", "gelu", ANSWERS),
    "another eps in T5": ("t5", "eps=1e-6", "eps=1e-5", ANSWERS),
    "no norm at the end": ("t5", " -> rmsnorm(eps=1e-6)\n  -> states", "\n  -> states", WEIGHTS),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_detail_is_noticed(wrong: str) -> None:
    name, right, changed, differs = WRONG[wrong]
    found = program_of(REFERENCES[name], SMALL[name], (right, changed))
    with pytest.raises(AssertionError, match=differs):
        assert_agrees(REFERENCES[name], found, module(name), *LENGTHS, FURTHEST[name])


def test_other_groups_of_heads_are_noticed() -> None:
    """Queries and outputs of the heads 1 and 2 are exchanged: each reads the keys of the other."""
    changed, order = deepcopy(module("llama")), [0, 2, 1, 3]
    weights = changed.state_dict()
    for layer in range(SMALL["llama"]["layers"]):
        query, output = (weights[f"model.layers.{layer}.self_attn.{part}_proj.weight"] for part in "qo")
        query.copy_(query.unflatten(0, (4, -1))[order].flatten(0, 1))
        output.copy_(output.unflatten(1, (4, -1))[:, order].flatten(1, 2))
    found = program_of(REFERENCES["llama"], SMALL["llama"])
    with pytest.raises(AssertionError, match=ANSWERS):
        assert_agrees(REFERENCES["llama"], found, module("llama"), *LENGTHS, copied_from=changed)


@pytest.mark.parametrize("name", REFERENCES)
def test_every_weight_that_is_lost_is_noticed(name: str) -> None:
    """But for the biases of keys, which add the same number to all products of a query."""
    reference, program = REFERENCES[name], program_of(REFERENCES[name], SMALL[name])
    weights, rows = copied(reference, program, module(name)), draw(program, [9, 12])
    (output, *_), steps = reference.answers(module(name), rows), mask_of(rows).bool().numpy()
    whole = torch_engine(program, weights)(rows)[output][steps]
    for lost in weights:
        without = weights | {lost: np.zeros_like(weights[lost])}
        changed = torch_engine(program, without)(rows)[output][steps]
        assert (difference(changed, whole) > TOLERANCE) != lost.endswith("key.bias"), lost
