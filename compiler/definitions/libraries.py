"""Libraries of other languages, and the parts of them that names stand in."""

from __future__ import annotations

# Packages of Python and of other languages that a spec needs nothing of.
LIBRARIES = frozenset({
    "torch", "torchvision", "torchaudio", "torchmetrics", "tensorflow", "tf", "keras", "jax", "flax", "haiku",
    "optax", "equinox", "numpy", "np", "pandas", "pd", "sklearn", "scipy", "matplotlib", "lightning",
    "pytorch_lightning", "pl", "onnx", "onnxruntime", "transformers", "datasets", "timm", "einops", "fastai",
    "ludwig", "wandb", "tqdm", "mlflow", "os", "sys", "math", "random", "typing", "collections", "json",
    "time", "pathlib", "re", "argparse", "functools", "dataclasses", "logging", "itertools", "copy",
    "warnings", "__future__", "Flux", "Knet", "Lux", "MLJ", "dlc", "nn",
})  # fmt: skip
# What names of other libraries are looked for in, as in `nn.Linear`: these, and their parts.
MODULES = LIBRARIES | {
    "F", "functional", "layers", "activations", "optim", "optimizers", "losses", "metrics", "init",
    "initializers", "regularizers", "callbacks", "jnp", "linen", "hk", "eqx", "transforms", "L", "self",
    "this", "K", "schedules", "lr_scheduler", "lax",
}  # fmt: skip
