"""The specs in `specs/checkpoints/` read the files that hubs publish, through the maps in `specs/names/`, and
compute what the libraries compute that wrote them; then they are fine-tuned. Weights are random and few."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from agreement import TOLERANCE, difference, randomize
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import resnet
from torchvision.transforms.v2 import Normalize

import dlc
from dlc.compiler.passes import cost
from dlc.runtime.artifact.session import open_session, run
from dlc.runtime.pretrained import loaded
from dlc.runtime.weight_files import WeightFile
from dlc.runtime.weight_names import NameMap

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import transformers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).parents[2]
SPECS, MAPS = ROOT / "specs" / "checkpoints", ROOT / "specs" / "names"


# --- the libraries ----------------------------------------------------------------------------------------


def bert(**sizes: int) -> nn.Module:
    """The network of `bert-base-uncased`, with a head for two classes."""
    config = transformers.BertConfig(num_labels=2, attn_implementation="eager", **sizes)
    return transformers.BertForSequenceClassification(config)


def vit(**sizes: int) -> nn.Module:
    """The network of `google/vit-base-patch16-224`."""
    return transformers.ViTForImageClassification(transformers.ViTConfig(num_labels=37, **sizes))


def resnet50(*counts: int) -> nn.Module:
    """The network of `timm/resnet50.a1_in1k`, which has the names of torchvision."""
    return resnet.ResNet(resnet.Bottleneck, [*(counts or (3, 4, 6, 3))], num_classes=37)


def resnet18() -> nn.Module:
    return resnet.ResNet(resnet.BasicBlock, [1, 2, 1, 1], num_classes=37)


def save(module: nn.Module, path: Path) -> None:
    """The file as its library writes it."""
    if isinstance(module, transformers.PreTrainedModel):
        module.save_pretrained(path.parent)
        (path.parent / "model.safetensors").rename(path)
    else:
        save_file(module.state_dict(), path)


def save_as_old_bert(module: nn.Module, path: Path) -> None:
    """The file of `bert-base-uncased` calls the weights of norms gamma and beta, and has the heads of
    pretraining."""
    save(module, path)
    ends = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    tensors = {
        re.sub(r"LayerNorm\.\w+$", lambda found: ends[found[0]], name): tensor
        for name, tensor in load_file(path).items()
        if not name.startswith("classifier.")
    }
    heads = {"cls.predictions.bias": torch.zeros(50), "cls.seq_relationship.weight": torch.zeros(2, 32)}
    save_file(tensors | heads, path)


def predict_bert(module: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    return module(input_ids=tokens).logits


def predict_pairs(module: nn.Module, tokens: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
    return module(input_ids=tokens, token_type_ids=segments).logits


def predict_vit(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return module(Normalize([0.5] * 3, [0.5] * 3)(images / 255)).logits


def predict_resnet(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return module(Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])(images / 255))


@dataclass(frozen=True)
class Checkpoint:
    """A spec and what it is held against. `head` is the last layer in the library, `unused` the tensors of
    the file that the spec does not read, and `swapped` two entries of the map with values of equal shapes."""

    spec: str
    file: str
    module: Callable[[], nn.Module]
    full: Callable[[], nn.Module]
    params: Mapping[str, Any]
    predict: Callable[..., torch.Tensor]
    net: str
    head: str
    unused: str
    swapped: tuple[str, str]
    save: Callable[[nn.Module, Path], None] = save
    epochs: int = 8  # after which it has learnt
    changes: tuple[tuple[str, str], ...] = ()  # of the spec
    entries: tuple[tuple[str, str], ...] = ()  # of the map; "" leaves one out
    rows: Mapping[str, int] = field(default_factory=dict)  # additional inputs, and their classes

    @property
    def output(self) -> str:
        return "mood" if self.spec == "bert" else "breed"


SMALL_BERT = {
    "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 128, "max_position_embeddings": 24,
}  # fmt: skip
SMALL_VIT = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128,
    "image_size": 24, "patch_size": 8,
}  # fmt: skip
BERT = Checkpoint(
    "bert", "bert-base-uncased.safetensors", lambda: bert(**SMALL_BERT), bert,
    {"words": 50, "hidden": 32, "layers": 3, "heads": 4, "longest": 24}, predict_bert, "bert", "classifier",
    r"cls\..*|classifier\..*", ("transformer{i}.attention.query", "transformer{i}.attention.key"),
    save=save_as_old_bert,
)  # fmt: skip
VIT = Checkpoint(
    "vit", "vit-base-patch16-224.safetensors", lambda: vit(**SMALL_VIT), vit,
    {"hidden": 32, "layers": 3, "heads": 4, "patch": 8, "side": 24}, predict_vit, "vit", "classifier",
    r"classifier\..*", ("transformer{i}.layernorm", "transformer{i}.layernorm_2"),
)  # fmt: skip
RESNET = Checkpoint(
    "resnet50", "resnet50.a1_in1k.safetensors", lambda: resnet50(1, 2, 1, 1), resnet50,
    {"counts": [1, 2, 1, 1], "side": 32}, predict_resnet, "resnet", "fc",
    r"fc\..*|.*\.num_batches_tracked",
    ("group{i}.bottleneck{j}.batchnorm", "group{i}.bottleneck{j}.batchnorm_2"), epochs=3,
)  # fmt: skip
PUBLISHED = {"bert": BERT, "vit": VIT, "resnet50": RESNET}
# What the pages say about other files.
CHECKPOINTS = PUBLISHED | {
    "bert of today": replace(
        BERT, save=save, changes=(('bert_base_uncased.json"', 'bert.json", from="bert"'),)
    ),
    "bert with two segments": replace(
        BERT, predict=predict_pairs, rows={"segments": 2},
        changes=(("output mood", "input segments: class(2)[T]\noutput mood"),
                 ("  weight segment: float[hidden] = zeros\n", ""), ("(tokens)", "(tokens, segments)"),
                 ("+ segment ", "+ embedding(segments, hidden) ")),
        entries=(("segment", ""), ("embedding_2", "bert.embeddings.token_type_embeddings")),
    ),
    "resnet18": replace(
        RESNET, module=resnet18,
        changes=(("bottleneck", "basic"), ("resnet50.json", "resnet18.json"), ("group(256", "group(64"),
                 ("group(512", "group(128"), ("group(1024", "group(256"), ("group(2048", "group(512")),
        swapped=("group{i}.basic{j}.batchnorm", "group{i}.basic{j}.batchnorm_2"),
    ),
}  # fmt: skip


@pytest.fixture(params=CHECKPOINTS)
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    return CHECKPOINTS[request.param]


def installed(of: Checkpoint, folder: Path, swap: bool = False) -> tuple[Path, nn.Module]:
    """The spec with the file and the maps beside it, and the network that is in the file."""
    torch.manual_seed(0)
    module = randomize(of.module())
    spec = folder / "checkpoints" / f"{of.spec}.dl"
    shutil.copytree(MAPS, folder / "names")
    spec.parent.mkdir()
    text = (SPECS / spec.name).read_text("utf-8")
    for old, new in of.changes:
        assert old in text, old
        text = text.replace(old, new)
    spec.write_text(text, "utf-8")
    of.save(module, spec.parent / of.file)
    (load,) = dlc.compile(spec, params=of.params).compiled.train.weights
    path = spec.parent / load.names
    entries = json.loads(path.read_text("utf-8")) | dict(of.entries)
    if swap:
        a, b = of.swapped
        entries[a], entries[b] = entries[b], entries[a]
    path.write_text(json.dumps({key: value for key, value in entries.items() if value}), "utf-8")
    return spec, module


def draw(of: Checkpoint, count: int, length: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(length)
    if of.spec == "bert":
        classes = {"tokens": 50, **of.rows}
        return {n: torch.randint(0, k, (count, length), generator=generator) for n, k in classes.items()}
    side = of.params["side"]
    return {"image": torch.randint(0, 256, (count, 3, side, side), generator=generator, dtype=torch.uint8)}


def worst(of: Checkpoint, spec: Path, module: nn.Module) -> dict[str, float]:
    """The largest relative difference of the scores, by engine."""
    spec.write_text(spec.read_text("utf-8") + f"\nexport {{\n  outputs = [{of.output}.logits]\n}}\n", "utf-8")
    program = dlc.compile(spec, params=of.params)
    head = module.get_submodule(of.head)
    weights = loaded(program.compiled, program.compiled.train.weights, spec.parent)
    weights |= {"dense.weight": head.weight.detach().numpy(), "dense.bias": head.bias.detach().numpy()}
    in_torch = program.torch(weights=weights)
    session = open_session(program.onnx(weights).SerializeToString())
    found: dict[str, float] = {"torch": 0, "ONNX Runtime": 0}
    for length in (7, 24):
        rows = draw(of, 3, length)
        with torch.no_grad():
            wanted = of.predict(module, *rows.values()).numpy()
            answers = {"torch": in_torch(rows)[f"{of.output}_logits"].numpy()}
        answers["ONNX Runtime"] = run(session, {n: x.numpy() for n, x in rows.items()})[f"{of.output}_logits"]
        assert np.abs(wanted).max() > 0.1
        for engine, answer in answers.items():
            assert answer.shape == wanted.shape
            found[engine] = max(found[engine], difference(answer, wanted))
    return found


def test_the_answers_are_those_of_the_library(checkpoint: Checkpoint, tmp_path: Path) -> None:
    for engine, found in worst(checkpoint, *installed(checkpoint, tmp_path)).items():
        assert found <= TOLERANCE, f"{engine}: {found:.1e}"


def test_a_wrong_entry_of_the_map_changes_the_answers(checkpoint: Checkpoint, tmp_path: Path) -> None:
    found = worst(checkpoint, *installed(checkpoint, tmp_path, swap=True))
    assert min(found.values()) > 10 * TOLERANCE


def test_all_tensors_of_the_network_are_read(checkpoint: Checkpoint, tmp_path: Path) -> None:
    spec, _ = installed(checkpoint, tmp_path)
    (load,) = dlc.compile(spec, params=checkpoint.params).compiled.train.weights
    weights = load.wanted(dlc.compile(spec, params=checkpoint.params).compiled.graph.weights)
    types = WeightFile(spec.parent / checkpoint.file).types
    start = f"{load.from_}." if load.from_ else ""
    types = {name.removeprefix(start): type for name, type in types.items()}
    views = NameMap(load.names, spec.parent / load.names).views(load, weights, types)
    assert views.keys() == weights.keys()
    unread = types.keys() - {view.tensor for view in views.values()}
    assert unread and all(re.fullmatch(checkpoint.unused, name) for name in unread), unread


@pytest.mark.parametrize("checkpoint", PUBLISHED.values(), ids=PUBLISHED)
def test_the_sizes_of_the_spec_are_those_of_the_published_network(checkpoint: Checkpoint) -> None:
    """The second segment of BERT is left out."""
    with torch.device("meta"):
        module = checkpoint.full()
    theirs = sum(weight.numel() for weight in module.parameters())
    ours = cost.parameters(dlc.compile(SPECS / f"{checkpoint.spec}.dl").compiled.graph)
    assert theirs - ours == (768 if checkpoint.spec == "bert" else 0)


def write_rows(of: Checkpoint, folder: Path) -> None:
    """A file with rows whose classes can be told from what they show."""
    rng = np.random.default_rng(0)
    if of.spec == "bert":
        moods = rng.integers(0, 2, 60)
        tokens = [rng.integers(25 * mood, 25 * mood + 25, rng.integers(3, 12)).tolist() for mood in moods]
        names = [("bad", "good")[mood] for mood in moods]
        others = {name: [[0] * len(row) for row in tokens] for name in of.rows}
        pq.write_table(pa.table({"tokens": tokens, "mood": names} | others), folder / "reviews.parquet")
        return
    breeds, side = rng.integers(0, 2, 60), of.params["side"]
    images = rng.integers(0, 128, (60, 3, side, side)) + 127 * breeds[:, None, None, None]
    np.savez(folder / "pets.npz", image=images.astype(np.uint8), breed=breeds)


@pytest.mark.slow
@pytest.mark.parametrize("checkpoint", PUBLISHED.values(), ids=PUBLISHED)
def test_fine_tuning_learns(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Spec and rows are as the page shows them; a network of random weights needs other rates."""
    spec, _ = installed(checkpoint, tmp_path)
    write_rows(checkpoint, spec.parent)
    rates = f"[adamw(lr=1e-3, on={checkpoint.net}), adamw(lr=1e-2)]"
    settings = {"train.optimizer": rates, "train.schedule": "constant", "train.batch": 8}
    params = dict(checkpoint.params) | settings | {"train.epochs": checkpoint.epochs}
    result = dlc.train(spec, params=params, out=tmp_path / "runs")
    assert result.figures["test"]["accuracy"] >= 0.8
    compiled = dlc.compile(spec, params=checkpoint.params).compiled
    before = loaded(compiled, compiled.train.weights, spec.parent)
    moved = [name for name, array in before.items() if not np.array_equal(array, result.weights[name])]
    assert len(moved) >= 0.9 * len(before)
    learnt = [name for name in before if "running" not in name]
    assert all(np.abs(result.weights[name] - before[name]).max() < 0.5 for name in learnt)


@pytest.mark.slow
def test_a_frozen_network_keeps_the_weights_of_the_file(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """What the page shows for few rows: only the head learns."""
    spec, _ = installed(checkpoint, tmp_path)
    write_rows(checkpoint, spec.parent)
    text = re.sub(r"  optimizer .*\n", f"  optimizer = adamw(lr=1e-3)\n  freeze = {checkpoint.net}\n",
                  spec.read_text("utf-8"))  # fmt: skip
    spec.write_text(text, "utf-8")
    result = dlc.train(spec, params=dict(checkpoint.params) | {"train.epochs": 1}, out=tmp_path / "runs")
    compiled = dlc.compile(spec, params=checkpoint.params).compiled
    before = loaded(compiled, compiled.train.weights, spec.parent)
    for name, array in before.items():
        np.testing.assert_array_equal(result.weights[name], array, err_msg=name)
