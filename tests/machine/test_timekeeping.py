"""What the kernel says of the clock. A stand-in for the C library has it say what this machine's kernel does not."""

import ctypes
import shutil
import struct
import subprocess
from typing import Any

import pytest

from lowkeyd.machine import timekeeping

MAXERROR = 3 * ctypes.sizeof(ctypes.c_long)
"""Where `struct timex` has the error bound: after a number, padded, and two long ones. Source: adjtimex(2)."""


class StandInLibrary:
    """Answers like `adjtimex`, with the error bound that it was told."""

    def __init__(self, answer: int, maxerror: int = 0) -> None:
        self._answer = answer
        self._maxerror = maxerror

    def adjtimex(self, told: Any) -> int:
        address = ctypes.addressof(told._obj)
        assert ctypes.c_uint.from_address(address).value == 0, "the clock is not to be changed"
        ctypes.c_long.from_address(address + MAXERROR).value = self._maxerror
        return self._answer


@pytest.mark.parametrize(
    ("library", "expected"),
    [
        (StandInLibrary(0, maxerror=120_000), True),
        (StandInLibrary(5, maxerror=120_000), True),  # a service that keeps the kernel off the hardware clock
        (StandInLibrary(5, maxerror=16_000_000), False),
        (StandInLibrary(-1), None),
        (object(), None),
    ],
    ids=["kept right", "kept right by other means", "left to itself", "not permitted", "another system"],
)
def test_the_error_bound_tells_whether_anything_keeps_the_clock_right(library: Any, expected: bool | None) -> None:
    assert timekeeping.is_synchronised(library) is expected


def test_the_real_kernels_bound_is_read_where_it_is() -> None:
    """By an independent hand: the structure unpacked as Python's `struct` has it."""
    told = ctypes.create_string_buffer(512)
    if ctypes.CDLL(None).adjtimex(told) < 0:
        pytest.skip("a sandbox forbids to ask")
    *_, maxerror = struct.unpack_from("@Illl", told)
    assert timekeeping.is_synchronised() is (maxerror < 16_000_000)


def test_it_agrees_with_systemd_where_that_runs() -> None:
    ours = timekeeping.is_synchronised()
    if shutil.which("timedatectl") is None:
        pytest.skip("no timedatectl to compare with")
    command = ["timedatectl", "show", "-p", "NTPSynchronized", "--value"]
    theirs = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    if theirs not in ("yes", "no") or ours is None:
        pytest.skip("systemd does not run here, or a sandbox forbids to ask")
    assert ours is (theirs == "yes")
