"""What a machine with an NVIDIA GPU proves and measures: `python -m benchmarks gpu`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """Some checks that run in a process of their own. `module` has a function
    `checks(device, quick)`; `seconds` is the time that the part adds to the limit of the run."""

    module: str
    seconds: float
    shows: str

    @property
    def name(self) -> str:
        return self.module.rpartition(".")[2]


# In order of importance. All together, with imports, are done within 8 minutes.
PARTS = (
    Part("benchmarks.gpu.placement", 105, "A few steps of every golden spec on the GPU: weights, gradients, "
         "buffers, batches and optimizer states are there, no operator computes on the CPU, and losses are "
         "finite. An epoch that is replayed draws the same random numbers."),
    Part("benchmarks.gpu.parity", 115, "Each trained graph in ONNX Runtime's CUDA provider and in torch on "
         "the GPU, against torch on the CPU, without TF32; how far the CUDA provider is off with TF32, and "
         "how many nodes it runs. One whole training with its artifact."),
    Part("benchmarks.gpu.precision", 30, "`precision = bf16`: layers compute in bfloat16, weights and "
         "gradients are float32, and the loss falls."),
    Part("benchmarks.gpu.optimizers", 30, "Fused optimizers give the weights of those that are not fused; "
         "the time of a step of both."),
    Part("benchmarks.gpu.memory", 45, "Rows that are kept on the GPU and rows that are brought in chunks "
         "give the same batches; the peak of the memory of a training, against the PyTorch script."),
    Part("benchmarks.gpu.speed", 95, "Whole trainings, against the PyTorch script of the tutorials."),
    Part("benchmarks.gpu.layout", 30, "Steps of ResNet-18, batch 128, with filters in `channels_last`, which "
         "dlc does not use on a GPU, and without."),
)  # fmt: skip
