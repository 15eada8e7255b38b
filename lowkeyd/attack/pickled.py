"""Reads weights from a pickle of numpy arrays, which could run any code if it were read as one."""

import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from lowkeyd.errors import WeightsError


class _ArraysOnly(pickle.Unpickler):
    """A pickle can run any code; this one can make numpy arrays and nothing else."""

    _ADMITTED = frozenset({("_reconstruct", "numpy"), ("ndarray", "numpy"), ("dtype", "numpy")})

    def find_class(self, module: str, name: str) -> Any:
        if (name, module.partition(".")[0]) not in self._ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name} is not admitted")
        # numpy has moved its function since the file was written: an array itself tells where it is now.
        return {"_reconstruct": np.empty(0).__reduce__()[0], "ndarray": np.ndarray, "dtype": np.dtype}[name]


def arrays(content: bytes, source: Path) -> Any:
    """Nested dictionaries of numpy arrays. Raises WeightsError for anything else in the pickle."""
    try:
        return _ArraysOnly(BytesIO(content)).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{source}: not a plain file of arrays: {error}") from error
