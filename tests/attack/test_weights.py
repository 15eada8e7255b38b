from pathlib import Path

import pytest

from lowkeyd.attack import weights
from lowkeyd.errors import WeightsError
from lowkeyd.model import sha256


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
