import pickle
from pathlib import Path

import numpy as np
import pytest

from lowkeyd.attack import pickled
from lowkeyd.errors import WeightsError


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("a pickle ran this",)


def test_pickled_arrays_are_read() -> None:
    content = pickle.dumps({"layer": {"kernel": np.arange(6.0).reshape(2, 3)}})
    assert pickled.arrays(content, Path("w"))["layer"]["kernel"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_pickle_that_would_run_code_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WeightsError, match=r"w: not a plain file of arrays: .*print is not admitted"):
        pickled.arrays(pickle.dumps(Payload()), Path("w"))
    assert capsys.readouterr().out == ""


def test_objects_of_numpy_that_are_no_arrays_are_refused_too() -> None:
    with pytest.raises(WeightsError, match="not admitted"):
        pickled.arrays(pickle.dumps(np.random.default_rng(0)), Path("w"))


def test_rubbish_is_refused() -> None:
    with pytest.raises(WeightsError, match="not a plain file of arrays"):
        pickled.arrays(b"\x80\x04rubbish", Path("w"))
