"""Checks and measurements on an NVIDIA GPU: `python -m benchmarks gpu`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """Checks that run in one process. `module` has a function `checks(device, quick)`; `seconds` is the
    time that the part adds to the limit of the run."""

    module: str
    seconds: float
    shows: str

    @property
    def name(self) -> str:
        return self.module.rpartition(".")[2]


# In order of importance. All parts together, with imports, take at most 8 minutes.
PARTS = (
    Part("benchmarks.gpu.placement", 105, "A few steps of every golden spec on the GPU: weights, gradients, "
         "buffers, batches and optimizer states are on the GPU, no operator computes on the CPU, and losses "
         "are finite. A replayed epoch draws the same random numbers."),
    Part("benchmarks.gpu.parity", 115, "Each trained graph in ONNX Runtime's CUDA provider and in torch on "
         "the GPU, compared with torch on the CPU, without TF32; the error of the CUDA provider with TF32, "
         "and the number of its nodes. One whole training with its artifact."),
    Part("benchmarks.gpu.precision", 30, "`precision = bf16`: layers compute in bfloat16, weights and "
         "gradients are float32, and the loss falls."),
    Part("benchmarks.gpu.optimizers", 30, "Fused optimizers give the same weights as unfused ones; "
         "the time of a step of both."),
    Part("benchmarks.gpu.memory", 45, "Rows that are kept on the GPU and rows that are copied in chunks "
         "give the same batches; the peak memory of a training, compared with the PyTorch script."),
    Part("benchmarks.gpu.speed", 95, "Whole trainings, compared with the PyTorch script of the tutorials."),
    Part("benchmarks.gpu.layout", 30, "Steps of ResNet-18, batch 128, with and without filters in "
         "`channels_last`, which dlc does not use on a GPU."),
)  # fmt: skip
