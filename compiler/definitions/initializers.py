"""Initial values of weights."""

from __future__ import annotations

from math import prod, sqrt
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.constants import nested_list, nested_shape, numbers
from dlc.compiler.definitions.definition import Definition, Reject, setting
from dlc.compiler.definitions.parameter_types import (
    LARGEST_FLOAT,
    ConstantTensors,
    Integer,
    Number,
    OneOf,
    Path,
    Text,
)
from dlc.compiler.types import spell

if TYPE_CHECKING:
    from dlc.compiler.dims.dim import Size
    from dlc.compiler.types import Tensor

MAX_SHOWN = 16  # numbers of a list that are shown
MAX_EYE = 4096


class Initializer(Definition, family="initial", what="an initial value"):
    """Initial value of a weight. `fans` is (fan_in, fan_out)."""

    def check_shape(self, shape: tuple[Size, ...]) -> None:
        """`Reject` a shape of the weight for which it has no values."""

    def draw(self, np: Any, rng: Any, shape: tuple[int, ...], fans: tuple[int, int]) -> Any:
        """The float32 values, drawn from the generator `rng` with NumPy."""
        raise NotImplementedError

    def torch(self, init: Any, weight: Any, shape: tuple[int, ...], fans: tuple[int, int]) -> Any:
        """The same distribution by a function of `torch.nn.init`, in place."""
        raise NotImplementedError


class _Scaled(Initializer, abstract=True):
    """Mean 0 and variance gain / fan, which keeps the variance of the activations."""

    gain = 1.0
    uniform = False
    both = False  # whether fan_out is used too

    def fan(self, fans: tuple[int, int]) -> float:
        return fans[0]

    def draw(self, np, rng, shape, fans):
        deviation = sqrt(self.gain / max(self.fan(fans), 1))
        if self.uniform:
            return draw_uniform(np, rng, shape, deviation * sqrt(3))
        return draw_normal(np, rng, shape, deviation)

    def torch(self, init, weight, shape, fans):
        field = prod(shape[2:])
        if len(shape) > 1 and fans[0] == shape[1] * field:
            if not self.both:
                draw = init.kaiming_uniform_ if self.uniform else init.kaiming_normal_
                return draw(weight) if self.gain == 2 else draw(weight, nonlinearity="linear")
            if fans[1] == shape[0] * field:
                return (init.xavier_uniform_ if self.uniform else init.xavier_normal_)(weight)
        deviation = sqrt(self.gain / max(self.fan(fans), 1))
        bound = deviation * sqrt(3)
        return init.uniform_(weight, -bound, bound) if self.uniform else init.normal_(weight, std=deviation)


class HeNormal(_Scaled):
    """Normal with variance 2 / fan_in (He et al. 2015), for the ReLU family."""

    gain = 2.0


class HeUniform(_Scaled):
    """Uniform with variance 2 / fan_in (He et al. 2015)."""

    gain, uniform = 2.0, True


class LecunNormal(_Scaled):
    """Normal with variance 1 / fan_in (LeCun et al. 1998), for `selu`."""


class LecunUniform(_Scaled):
    """Uniform with variance 1 / fan_in (LeCun et al. 1998)."""

    uniform = True


class XavierNormal(_Scaled):
    """Normal with variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010)."""

    both = True

    def fan(self, fans):
        return (fans[0] + fans[1]) / 2


class XavierUniform(XavierNormal):
    """Uniform with variance 2 / (fan_in + fan_out) (Glorot and Bengio 2010)."""

    uniform = True


class NormalInitial(Initializer):
    """Normal with mean 0."""

    usage = "normal(0.02)"

    stddev: float = setting("standard deviation", Number(minimum=0))

    def draw(self, np, rng, shape, fans):
        return draw_normal(np, rng, shape, self.stddev)

    def torch(self, init, weight, shape, fans):
        return init.normal_(weight, std=self.stddev)


class UniformInitial(Initializer):
    """Uniform between -bound and bound."""

    usage = "uniform(0.05)"

    bound: float = setting("maximum absolute value", Number(minimum=0))

    def draw(self, np, rng, shape, fans):
        return draw_uniform(np, rng, shape, self.bound)

    def torch(self, init, weight, shape, fans):
        return init.uniform_(weight, -self.bound, self.bound)


class Orthogonal(Initializer):
    """Orthonormal rows or columns; the trailing axes count as one (Saxe et al. 2013)."""

    def draw(self, np, rng, shape, fans):
        rows = shape[0] if shape else 1
        columns = int(np.prod(shape[1:], dtype=np.int64))
        tall = rng.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(tall)
        q = q * np.sign(np.diag(r))
        return (q if rows >= columns else q.T).reshape(shape).astype(np.float32)

    def torch(self, init, weight, shape, fans):
        return init.orthogonal_(weight)


class Zeros(Initializer):
    """All 0."""

    def draw(self, np, rng, shape, fans):
        return np.zeros(shape, np.float32)

    def torch(self, init, weight, shape, fans):
        return init.zeros_(weight)


class Ones(Initializer):
    """All 1."""

    def draw(self, np, rng, shape, fans):
        return np.ones(shape, np.float32)

    def torch(self, init, weight, shape, fans):
        return init.ones_(weight)


class Full(Initializer):
    """All the same value, or the numbers of a list in the shape of the weight. For a declared weight the list
    alone is enough: `weight scale: float[2] = [1, 0.5]`."""

    usage = "full(0.1)"

    value: Any = setting("the value, or lists of numbers", OneOf(Number(), ConstantTensors()))

    def check_shape(self, shape):
        if isinstance(self.value, tuple):
            check_equal(nested_shape(self.value), shape)
        if any(abs(n) >= LARGEST_FLOAT for n in numbers(self.value)):
            raise Reject("a number must be below 3.4e38, as float32 is", code="E0403")

    def draw(self, np, rng, shape, fans):
        return np.full(shape, self.value, np.float32)

    def torch(self, init, weight, shape, fans):
        if isinstance(self.value, tuple):
            return weight.data.copy_(weight.new_tensor(nested_list(self.value)))
        return init.constant_(weight, self.value)

    def __repr__(self) -> str:
        """A long list is shown as its shape."""
        shape = nested_shape(self.value)
        return super().__repr__() if prod(shape) <= MAX_SHOWN else f"full(value=constant{[*shape]})"


class EyeInitial(Initializer):
    """The unit matrix, 1 on the diagonal and 0 elsewhere. In an expression `eye(n)` is that matrix as a
    constant tensor (torch `eye`)."""

    usage = """
    input  x: float[4]
    output y: float[4]

    weight mix: float[4, 4] = eye(4)

    x @ mix -> y
    """

    size: int = setting("number of rows and columns", Integer(1, MAX_EYE))

    def check_shape(self, shape):
        check_equal((self.size, self.size), shape)

    def draw(self, np, rng, shape, fans):
        return np.eye(self.size, dtype=np.float32)

    def torch(self, init, weight, shape, fans):
        return init.eye_(weight)


class LoadInitial(Initializer):
    """A tensor of an npz or safetensors file, by its name there. In an expression `load(path, name)` is that
    tensor as a constant: word vectors, anchors, a filter bank. Its shape is read from the file when the spec
    is checked; floats are converted to float32, integers to int64.
    """

    usage = """
    input  words: class(1000)[T]
    output kind: class(3)

    words -> embedding(50, weight=load("vectors.npz", "words")) -> mean(axis=0) -> dense(3) -> kind
    """

    path: str = setting("the file, relative to the spec", Path())
    tensor: str = setting("name of the tensor in the file", Text())

    type: Tensor  # of the tensor in the file; known after elaboration

    def check_shape(self, shape):
        check_equal(self.type.shape, shape)

    def draw(self, np, rng, shape, fans):
        raise ValueError(f"{self.path} is read before weights are drawn")

    def __repr__(self) -> str:
        return f'load("{self.path}", "{self.tensor}")'


def check_equal(found: tuple[Size, ...], wanted: tuple[Size, ...]) -> None:
    if found != wanted:
        raise Reject(f"these are the numbers of {spell('float', found)}, and the weight is "
                     f"{spell('float', wanted)}", code="E0406")  # fmt: skip


class Auto(Initializer):
    """Chosen by the following activation: He for the ReLU family, LeCun for `selu`, Xavier otherwise."""


def draw_normal(np: Any, rng: Any, shape: tuple[int, ...], deviation: float) -> Any:
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(deviation)


def draw_uniform(np: Any, rng: Any, shape: tuple[int, ...], bound: float) -> Any:
    return (rng.random(shape, dtype=np.float32) * 2 - 1) * np.float32(bound)
