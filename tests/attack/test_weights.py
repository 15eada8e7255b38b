import pickle
from pathlib import Path

import numpy as np
import pytest

from lowkeyd.attack import weights
from lowkeyd.errors import WeightsError
from lowkeyd.model import sha256


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("a pickle ran this",)


def test_pickled_arrays_are_read() -> None:
    content = pickle.dumps({"layer": {"kernel": np.arange(6.0).reshape(2, 3)}})
    assert weights.read_pickled_arrays(content, Path("w"))["layer"]["kernel"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_pickle_that_would_run_code_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WeightsError, match=r"w: not a plain file of arrays: .*print is not admitted"):
        weights.read_pickled_arrays(pickle.dumps(Payload()), Path("w"))
    assert capsys.readouterr().out == ""


def test_objects_of_numpy_that_are_no_arrays_are_refused_too() -> None:
    with pytest.raises(WeightsError, match="not admitted"):
        weights.read_pickled_arrays(pickle.dumps(np.random.default_rng(0)), Path("w"))


def test_rubbish_is_refused() -> None:
    with pytest.raises(WeightsError, match="not a plain file of arrays"):
        weights.read_pickled_arrays(b"\x80\x04rubbish", Path("w"))


def test_a_file_is_read_only_if_its_hash_is_right(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes(b"right")
    assert weights.read_checked(path, sha256(b"right")) == b"right"
    with pytest.raises(WeightsError, match=f"{path}: not the expected weights"):
        weights.read_checked(path, sha256(b"wrong"))
    with pytest.raises(WeightsError, match=f"{tmp_path / 'none'}: network weights cannot be read"):
        weights.read_checked(tmp_path / "none", "")


def test_a_missing_package_or_file_is_named() -> None:
    with pytest.raises(WeightsError, match="the package no_such_package is not installed"):
        weights.packaged("no_such_package", "x")
    with pytest.raises(WeightsError, match="missing from the package lpips"):
        weights.packaged("lpips", "no/such/file")
