"""dlib's serialisation, as far as its face recognition network uses it: layers stand in order, each after its name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lowkeyd.errors import WeightsError

_TENSOR_VERSION = 2

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """One layer with parameters.

    `con`: weight (filters, channels, rows, columns), bias, stride and padding in pixels; `affine`: weight is the scale
    and bias the shift, per channel; `fc`: weight (inputs, outputs), no bias.
    """

    kind: str
    weight: Array
    bias: Array
    stride: int = 1
    padding: int = 0


def layers(content: bytes, source: Path) -> list[Layer]:
    """The layers of dlib's face recognition ResNet, from the input to the output. Raises WeightsError."""
    try:
        return list(_File(content).layers())
    except (IndexError, ValueError) as error:
        raise WeightsError(f"{source}: not dlib's face recognition network: {error}") from error


class _File:
    _NAME = re.compile(rb"\x05con_4|\x07affine_|\x04fc_2")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def layers(self) -> Iterator[Layer]:
        while name := self._NAME.search(self._content, self._at):
            self._at = name.end()
            match name.group()[1:]:
                case b"con_4":
                    yield self._convolution()
                case b"affine_":
                    scale, shift = self._tensor().reshape(2, -1)
                    yield Layer("affine", scale, shift)
                case _:
                    outputs, inputs = self._integer(), self._integer()
                    yield Layer("fc", self._tensor().reshape(inputs, outputs), np.zeros(outputs, np.float32))

    def _convolution(self) -> Layer:
        parameters = self._tensor()
        _filters, _rows, _columns, stride, _, padding, _ = (self._integer() for _ in range(7))
        _version, *shape = (self._integer() for _ in range(5))  # filters, channels, rows, columns
        weight, bias = np.split(parameters, [int(np.prod(shape))])
        return Layer("con", weight.reshape(shape), bias, stride, padding)

    def _integer(self) -> int:
        """One byte says how many follow (low four bits) and the sign (highest bit); the rest is little-endian."""
        control = self._content[self._at]
        length = control & 0x0F
        value = int.from_bytes(self._content[self._at + 1 : self._at + 1 + length], "little")
        self._at += 1 + length
        return -value if control & 0x80 else value

    def _tensor(self) -> Array:
        version, *shape = (self._integer() for _ in range(5))
        if version != _TENSOR_VERSION:
            raise ValueError(f"tensor version {version}, expected {_TENSOR_VERSION}")
        count = int(np.prod(shape))
        values = np.frombuffer(self._content, "<f4", count, self._at)
        self._at += values.nbytes
        return values.copy()
