"""The ONNX operators that artifacts may contain, by domain: those of the ONNX forms of all operators.

A file with other operators is rejected. The memory that these operators need is that of their results.
"""

from __future__ import annotations

STANDARD, ML = "", "ai.onnx.ml"

WRITTEN = {
    STANDARD: frozenset({
        "Abs", "Add", "And", "ArgMax", "ArgMin", "Attention", "AveragePool", "BatchNormalization",
        "BitwiseXor", "Cast",
        "Ceil", "Celu", "Clip", "Compress", "Concat", "Conv", "ConvTranspose", "Cos", "CumSum",
        "DepthToSpace", "Div", "Elu", "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather",
        "GatherElements", "Gelu", "Gemm", "GlobalAveragePool", "Greater", "GreaterOrEqual", "GridSample",
        "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "IsNaN", "LayerNormalization",
        "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "Loop", "MatMul", "Max", "MaxPool", "Min",
        "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pad", "Pow", "Range", "ReduceL2", "ReduceMax",
        "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "Relu", "Reshape", "Resize", "ReverseSequence",
        "RMSNormalization", "RotaryEmbedding", "Round", "ScatterElements", "ScatterND", "Selu", "Shape",
        "Sigmoid", "Sign", "Sin", "Slice", "Softmax", "Softplus", "Softsign", "Split", "Sqrt", "Squeeze",
        "STFT", "StringSplit", "Sub", "Tan", "Tanh", "TopK", "Transpose", "Unsqueeze",
        "Where", "Xor", "GRU", "LSTM", "RNN",
    }),
    ML: frozenset({"LabelEncoder"}),
}  # fmt: skip
