"""Features of sound: the spectrum of a recording over time, on the mel scale, and its cepstrum."""

from __future__ import annotations

from math import log2, log10, pi
from typing import Any

from dlc.compiler.definitions.parameter_types import Integer, Nothing, Number, OneOf
from dlc.compiler.dims.dim import Size, has_free, number, product
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.operands import onnx_repeat
from dlc.compiler.operators.padding import APART, LENGTHS
from dlc.compiler.operators.shape import Pad
from dlc.compiler.operators.step_order import on_axis
from dlc.compiler.operators.stepwise import ALONE
from dlc.compiler.types import Tensor

LONGEST = 4096  # the longest window
FAST = 1024  # from here on the operator `STFT` is used for powers of two: it is exact, and needs no kernels
FLOOR = 1e-6  # what `mfcc` adds before the logarithm


class Spectrogram(Operator):
    """The power of each frequency in each frame of a recording (torch `fft.rfft`, ONNX `Conv` or `STFT`).

    Frame i is the window around sample `i * hop`, weighted by a Hann window (the periodic one, as of
    `torch.hann_window`). A recording is mirrored at its first and last sample, so each sample is the centre
    of a window, as in `torch.stft`. T samples make `T // hop + 1` frames. A frame has `window / 2 + 1`
    frequencies, multiples of the rate of the recording divided by `window`, from 0 on. `power=2` gives the
    squared magnitude, `power=1` the magnitude. It is not divided by the window.
    """

    least = 1
    usage = """
    input  wave: float[16000]
    output word: class(10)

    s = log((wave -> spectrogram(400, hop=160)) + 1e-6)
    s -> conv(32, 3) -> relu -> global_avgpool -> dense(10) -> word
    """

    window: int = setting(f"samples of a frame, an even number up to {LONGEST}", Integer(4, LONGEST))
    hop: int | None = setting("samples from one frame to the next", OneOf(Integer(1), Nothing()), None,
                              shown="`window // 4`")  # fmt: skip
    power: float = setting("power of the magnitude", Number(1), 2.0)

    def type(self, x: Tensor) -> Tensor:
        if x.rank not in (1, 2) or any(map(has_free, x.shape[:-1])):
            raise Reject(f"`spectrogram` needs a recording, [time] or [channels, time], found {x}", at="x",
                         help="the number of channels must be known" if x.rank == 2 else "")  # fmt: skip
        if self.window % 2:
            raise Reject(f"`window` must be even, found {self.window}", at="window", code="E0403",
                         help=f"use {self.window + 1}")  # fmt: skip
        time = x.shape[-1]
        if isinstance(time, int) and time <= self.window // 2:
            raise Reject(f"a window of {self.window} samples needs more than {self.window // 2} of them on "
                         f"the last axis, found {x}", at="window", code="E0404",
                         help="use a shorter window; time is on the last axis")  # fmt: skip
        return x.with_shape(*x.shape[:-1], self.window // 2 + 1, time // self.step + 1)

    @property
    def step(self) -> int:
        return self.hop or self.window // 4

    @property
    def is_fast(self) -> bool:
        """Whether the fast transform of ONNX Runtime is exact for this window, and faster than `Conv`."""
        return self.window >= FAST and log2(self.window).is_integer()

    def padding_of(self, place, axis):
        return LENGTHS if axis == self.operands[0].rank - 1 else APART

    def stepwise(self, changing, steps):
        if on_axis(steps, self.operands[0], -1):
            raise Reject("the window of a frame reaches later samples", at="window")
        return ALONE

    def multiply_adds(self) -> Size:
        numbers = self.results[0].shape
        if self.is_fast:
            return product([*numbers[:-2], numbers[-1], self.window, int(log2(self.window))])
        return product([*numbers, 2, self.window])

    @property
    def mirrored(self) -> Operator:
        """What adds half a window to both ends."""
        half = self.window // 2
        return Pad(before=half, after=half, axis=-1, mode="reflect").bind(self.operands[0])

    def torch(self, F, x, lengths=None):
        mirrored = self.mirrored.torch(F, x, lengths)
        hann = F.named("hann", F.hann_window(self.window).to(x))
        frames = F.named("frames", mirrored.unfold(-1, self.window, self.step) * hann)
        magnitude = F.named("magnitude", F.fft.rfft(frames).abs())
        if self.power == 1:
            return magnitude.transpose(-1, -2)
        return (magnitude.square() if self.power == 2 else magnitude**self.power).transpose(-1, -2)

    def onnx(self, op, x, lengths=None):
        mirrored = self.mirrored.onnx(op, x, lengths)
        fast = self.is_fast and not op.in_openvino
        squares = self.onnx_fast(op, mirrored) if fast else self.onnx_by_waves(op, mirrored)
        if self.power == 2:
            return squares
        return (
            op.Sqrt(squares) if self.power == 1 else op.Pow(squares, op.constant(self.power / 2, "float32"))
        )

    def onnx_by_waves(self, op: Any, x: Any) -> Any:
        """The squared magnitudes by a convolution with a cosine and a sine of each frequency."""
        rank, shared = self.operands[0].rank, f"waves_of_{self.window}"
        kernel = op.shared(shared, rank, lambda: op.constant(waves(self.window, rank), "float32"))
        made = op.Conv(op.Unsqueeze(x, op.constant([1], "int64")), kernel,
                       kernel_shape=[1] * (rank - 1) + [self.window],
                       strides=[1] * (rank - 1) + [self.step])  # fmt: skip
        real, imaginary = op.Split(made, num_outputs=2, axis=1, outputs=2)
        squares = op.Add(op.Mul(real, real), op.Mul(imaginary, imaginary))
        return op.Transpose(squares, perm=[0, 2, 1, 3]) if rank == 2 else squares

    def onnx_fast(self, op: Any, x: Any) -> Any:
        """The same by the operator for it, which takes signals without channels."""
        *channels, time = self.mirrored.results[0].shape
        zero, one = op.constant([0], "int64"), op.constant([1], "int64")
        count = op.Mul(op.batch(), op.size(channels[0])) if channels else op.batch()
        sizes = op.Unsqueeze(count, zero), op.Unsqueeze(op.size(time), zero), one
        x = op.Reshape(x, op.Concat(*sizes, axis=0), allowzero=1)
        hann = op.constant(hann_window(self.window), "float32")
        spectrum = op.STFT(x, op.constant(self.step, "int64"), hann, onesided=1)
        squares = op.ReduceSum(op.Mul(spectrum, spectrum), op.constant([3], "int64"), keepdims=0)
        squares = op.Transpose(squares, perm=[0, 2, 1])
        return op.Reshape(squares, op.shape(self.results[0]), allowzero=1) if channels else squares

    examples = (
        Example("spectrogram(8)", "float[20]", "float[5, 11]"),
        Example("spectrogram(10, hop=4)", "float[12]", "float[6, 4]"),
        Example("spectrogram(4, 1, power=1)", "float[5]", "float[3, 6]"),
        Example("spectrogram(8, hop=5, power=1.5)", "float[2, 9]", "float[2, 5, 2]"),
        Example("spectrogram(8, 3)", "float[T]", "float[5, T // 3 + 1]"),
        Example("spectrogram(12)", "float[2, T]", "float[2, 7, T // 3 + 1]"),
        Example("spectrogram(4)", "uint8[9]", "float[3, 10]", low=0, high=255),
        Example("spectrogram(1024, 600)", "float[1100]", "float[513, 2]"),
        Example("spectrogram(1024, 600)", "float[2, 3 * T]", "float[2, 513, T // 200 + 1]"),
        Example("spectrogram(4)", "float", rejects="E0201"),
        Example("spectrogram(4)", "float[2, 3, 9]", rejects="E0201"),
        Example("spectrogram(4)", "float[C, 9]", rejects="E0201"),
        Example("spectrogram(5)", "float[9]", rejects="E0403"),
        Example("spectrogram(2)", "float[9]", rejects="E0403"),
        Example("spectrogram(4098)", "float[T]", rejects="E0403"),
        Example("spectrogram(4, power=0.5)", "float[9]", rejects="E0403"),
        Example("spectrogram(4, hop=0)", "float[9]", rejects="E0403"),
        Example("spectrogram(8)", "float[4]", rejects="E0404"),
        Example("spectrogram(8)", "class(3)[9]", rejects="E0202"),
    )


class Mel(Operator):
    """A spectrogram on the mel scale: sums over triangles of frequencies (ONNX `MatMul`).

    The scale is HTK's, `2595 * log10(1 + f / 700)`. The `bins` triangles have equal widths on it, from `low`
    to `high`; each is 1 at its middle, 0 at the middles of its neighbours, and linear in the frequency
    between. Triangles are not normalized, and there is no logarithm: write `log(x + 1e-6)`. These are the
    filters of torchaudio and librosa for `htk` and no `norm`. The frequencies are those that `spectrogram`
    makes of a recording at this `rate`: as many, from 0 to half the rate. A triangle that is narrower than
    their distance may have none of them, and is then 0.
    """

    usage = """
    input  wave: float[16000]
    output word: class(10)

    s = log((wave -> spectrogram(400, hop=160) -> mel(40, 16000)) + 1e-6)
    s -> conv(32, 3) -> relu -> global_avgpool -> dense(10) -> word
    """

    bins: int = setting("number of triangles", Integer(1))
    rate: float = setting("samples of the recording a second, in Hz", Number(above=0))
    low: float = setting("where the first triangle begins, in Hz", Number(0), 0.0)
    high: float | None = setting("where the last triangle ends, in Hz", OneOf(Number(above=0), Nothing()),
                                 None, shown="`rate / 2`")  # fmt: skip

    def type(self, x: Tensor) -> Tensor:
        need_frames(x, self.name, "a spectrogram", "`spectrogram` makes one of a recording")
        if self.end > self.rate / 2:
            raise Reject(f"a recording at {self.rate:g} Hz has frequencies up to {self.rate / 2:g} Hz, found "
                         f"`high={self.end:g}`", at="high", code="E0403", help="leave it out")  # fmt: skip
        if self.low >= self.end:
            raise Reject(f"the triangles go from {self.low:g} to {self.end:g} Hz", at="low", code="E0403",
                         help="`low` must be less than `high`, which is `rate / 2` by default")  # fmt: skip
        return x.with_axis(-2, self.bins)

    @property
    def sample_rate(self) -> float:
        return self.rate

    @property
    def end(self) -> float:
        return self.rate / 2 if self.high is None else self.high

    @property
    def frequencies(self) -> int:
        return number(self.operands[0].shape[-2])

    @property
    def ends(self) -> tuple[float, float]:
        """`low` and `high` on the mel scale."""
        return mel(self.low), mel(self.end)

    def padding_of(self, place, axis):
        return apart_over_frames(self, place, axis)

    def multiply_adds(self) -> Size:
        return product(self.results[0].shape) * self.frequencies

    def torch(self, F, x):
        mels = F.linspace(*self.ends, self.bins + 2, dtype=F.float64)
        edges = F.named("edges", 700 * (10 ** (mels / 2595) - 1).unsqueeze(1))
        found = F.named("found", F.linspace(0, self.rate / 2, self.frequencies, dtype=F.float64))
        rise = F.named("rise", (found - edges[:-2]) / (edges[1:-1] - edges[:-2]))
        fall = F.named("fall", (edges[2:] - found) / (edges[2:] - edges[1:-1]))
        return F.matmul(F.named("triangles", F.minimum(rise, fall).clamp(min=0).to(x)), x)

    def onnx(self, op, x):
        triangles = mel_triangles(self.bins, self.frequencies, self.rate / 2, *self.ends)
        return onnx_product(op, triangles, x, self.operands[0].rank)

    examples = (
        Example("mel(3, 8000)", "float[9, 4]", "float[3, 4]"),
        Example("mel(bins=4, rate=100)", "float[2, 17, 3]", "float[2, 4, 3]"),
        Example("mel(3, 16, low=1)", "float[9, T]", "float[3, T]"),
        Example("mel(2, 16000, 100, 4000)", "float[2, 33, T]", "float[2, 2, T]"),
        Example("mel(2, rate=10, high=5)", "float[5, T]", "float[2, T]"),
        Example("mel(1, 1)", "float[2, 3]", "float[1, 3]"),
        Example("mel(3, 8000)", "float[9]", rejects="E0201"),
        Example("mel(3, 8000)", "float[T, 9]", rejects="E0201"),
        Example("mel(3, 8000)", "float[1, 9]", rejects="E0201"),
        Example("mel(3, 8000)", "float[C, 9, T]", rejects="E0201"),
        Example("mel(0, 8000)", "float[9, 4]", rejects="E0403"),
        Example("mel(3, 8000, high=5000)", "float[9, 4]", rejects="E0403"),
        Example("mel(3, 8000, low=4000)", "float[9, 4]", rejects="E0403"),
        Example("mel(3, 8000, 500, high=500)", "float[9, 4]", rejects="E0403"),
        Example("mel(3, 0)", "float[9, 4]", rejects="E0403"),
    )


class Mfcc(Operator):
    """Mel-frequency cepstral coefficients, of what `mel` makes (ONNX `Log` and `MatMul`).

    The first `count` coefficients of the discrete cosine transform (DCT-II, orthonormal) over the bins, of
    the natural logarithm `log(x + 1e-6)`. There is no lifter, and the first coefficient is kept.
    """

    domain = "numbers above -1e-6, as `mel` makes them"
    usage = """
    input  wave: float[16000]
    output word: class(10)

    c = wave -> spectrogram(400, hop=160) -> mel(40, 16000) -> mfcc(13)
    c -> conv(32, 3) -> relu -> global_avgpool -> dense(10) -> word
    """

    count: int = setting("number of coefficients, at most that of the bins", Integer(1))

    def type(self, x: Tensor) -> Tensor:
        need_frames(x, self.name, "bins of the mel scale", "`mel` makes them of a spectrogram")
        if self.count > number(x.shape[-2]):
            raise Reject(f"{x.shape[-2]} bins have at most {x.shape[-2]} coefficients, found {self.count}",
                         at="count", code="E0404")  # fmt: skip
        return x.with_axis(-2, self.count)

    @property
    def bins(self) -> int:
        return number(self.operands[0].shape[-2])

    def padding_of(self, place, axis):
        return apart_over_frames(self, place, axis)

    def multiply_adds(self) -> Size:
        return product(self.results[0].shape) * self.bins

    def torch(self, F, x):
        order = F.tensor(range(self.count)).double().unsqueeze(1)
        places = F.tensor(range(self.bins)).double() + 0.5
        cosines = F.named("cosines", (order * places * (pi / self.bins)).cos())
        basis = F.named("basis", (cosines / cosines.norm(dim=1, keepdim=True)).to(x))
        return F.matmul(basis, F.log(x + FLOOR))

    def onnx(self, op, x):
        loud = op.Log(op.Add(x, op.constant(FLOOR, "float32")))
        return onnx_product(op, cosines(self.count, self.bins), loud, self.operands[0].rank)

    examples = (
        Example("mfcc(3)", "float[5, 4]", "float[3, 4]", low=0),
        Example("mfcc(count=4)", "float[4, T]", "float[4, T]", low=0),
        Example("mfcc(1)", "float[2, 6, 3]", "float[2, 1, 3]", low=0, high=100),
        Example("mfcc(2)", "float[4, 3, T]", "float[4, 2, T]", low=0),
        Example("mfcc(1)", "float[1, 2]", "float[1, 2]", low=0),
        Example("mfcc(3)", "float[5]", rejects="E0201"),
        Example("mfcc(3)", "float[T, 5]", rejects="E0201"),
        Example("mfcc(6)", "float[5, 4]", rejects="E0404"),
        Example("mfcc(0)", "float[5, 4]", rejects="E0403"),
    )


def need_frames(x: Tensor, what: str, of: str, help: str) -> None:
    """`Reject` unless the axes are known frequencies and frames, with or without channels before them."""
    known = x.rank in (2, 3) and not any(map(has_free, x.shape[:-1]))
    least = 2 if what == Mel.name else 1
    if not known or number(x.shape[-2]) < least:
        axes = "[frequencies, frames] or [channels, frequencies, frames]"
        raise Reject(f"`{what}` needs {of}, {axes}, found {x}", at="x", help=help)


def apart_over_frames(operator: Operator, place: int, axis: int) -> Any:
    """The padding of what is computed over the frequencies of each frame."""
    x = operator.operands[0]
    return Operator.padding_of(operator, place, axis) if axis == x.rank - 2 else APART


def mel(frequency: float) -> float:
    """A frequency in Hz on the mel scale."""
    return 2595 * log10(1 + frequency / 700)


# --- constants of ONNX forms ------------------------------------------------------------------------------
# The PyTorch forms compute the same numbers with PyTorch, because `dlc emit` writes how they are computed. An
# artifact has the numbers themselves, made with NumPy, as an ONNX form has no torch.


def onnx_product(op: Any, matrix: Any, x: Any, rank: int) -> Any:
    """A constant matrix times each matrix on the last two axes."""
    return op.MatMul(onnx_repeat(op, op.constant(matrix, "float32"), rank), x)


def hann_window(window: int) -> Any:
    import numpy as np

    return 0.5 - 0.5 * np.cos(2 * pi * np.arange(window) / window)


def waves(window: int, rank: int) -> Any:
    """Cosines and sines of all frequencies, weighted by the window: kernels of a convolution over the last of
    `rank` axes. The cosines come first."""
    import numpy as np

    periods = np.outer(np.arange(window // 2 + 1), np.arange(window)) % window
    angles = 2 * pi / window * periods
    made = np.concatenate((np.cos(angles), np.sin(angles))) * hann_window(window)
    return made.reshape(len(made), *[1] * rank, window)


def mel_triangles(bins: int, frequencies: int, highest: float, first: float, last: float) -> Any:
    """The triangles, [bins, frequencies], from `first` to `last` on the mel scale."""
    import numpy as np

    edges = 700 * (10 ** (np.linspace(first, last, bins + 2)[:, None] / 2595) - 1)
    found = np.linspace(0, highest, frequencies)
    rise = (found - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - found) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(rise, fall), 0)


def cosines(count: int, bins: int) -> Any:
    """The rows of the discrete cosine transform, each of length 1."""
    import numpy as np

    made = np.cos(np.outer(np.arange(count), np.arange(bins) + 0.5) * (pi / bins))
    return made / np.linalg.norm(made, axis=1, keepdims=True)
