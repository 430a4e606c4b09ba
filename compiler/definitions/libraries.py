"""Names of libraries and modules of Python and other languages."""

from __future__ import annotations

# Packages that a spec never has to import.
LIBRARIES = frozenset({
    "torch", "torchvision", "torchaudio", "torchmetrics", "tensorflow", "tf", "keras", "jax", "flax", "haiku",
    "optax", "equinox", "numpy", "np", "pandas", "pd", "sklearn", "scipy", "matplotlib", "lightning",
    "pytorch_lightning", "pl", "onnx", "onnxruntime", "transformers", "datasets", "timm", "einops", "fastai",
    "ludwig", "wandb", "tqdm", "mlflow", "os", "sys", "math", "random", "typing", "collections", "json",
    "time", "pathlib", "re", "argparse", "functools", "dataclasses", "logging", "itertools", "copy",
    "warnings", "__future__", "Flux", "Knet", "Lux", "MLJ", "dlc", "nn",
})  # fmt: skip
# Prefixes of qualified names such as `nn.Linear`: libraries and their submodules.
MODULES = LIBRARIES | {
    "F", "functional", "layers", "activations", "optim", "optimizers", "losses", "metrics", "init",
    "initializers", "regularizers", "callbacks", "jnp", "linen", "hk", "eqx", "transforms", "L", "self",
    "this", "K", "schedules", "lr_scheduler", "lax",
}  # fmt: skip
