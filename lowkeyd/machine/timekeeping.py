"""Whether something keeps this machine's clock right: asked of the kernel, which any time service reports to."""

import ctypes

_OUT_OF_STEP_US = 16_000_000
"""The kernel lets its error bound grow while no service brings it down, up to this. Source: adjtimex(2), `maxerror`;
timedatectl judges by the same number."""


class _Timex(ctypes.Structure):
    """The beginning of `struct timex`, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),  # 0: nothing is to be changed
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),  # microseconds
        ("rest", ctypes.c_long * 32),
    )


def is_synchronised(libc: ctypes.CDLL | None = None) -> bool | None:
    """None when the kernel does not say, as where a sandbox forbids to ask."""
    told = _Timex()
    try:
        answer = (libc or ctypes.CDLL(None)).adjtimex(ctypes.byref(told))
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else told.maxerror < _OUT_OF_STEP_US
