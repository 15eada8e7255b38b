"""What may be spent on one photo on this machine: the configured limits, or less where memory is scarce."""

from lowkeyd import config
from lowkeyd.imaging.decode import Limits
from lowkeyd.machine import memory

_BYTES_PER_PIXEL = 64
"""Of memory, at the widest moment: measured were 31 in the worker, and up to 40 before that in the process that decodes
for it (16 bits with alpha); ordinary JPEGs take 15 there."""
_SHARE = 0.5
"""Of the machine's memory; networks, the daemon and everybody else have the rest."""


def limits(settings: config.Worker) -> Limits:
    """The limits for decoding; photos in hand together stay below the same number of pixels."""
    affordable = _SHARE * memory.total_bytes() / _BYTES_PER_PIXEL / 1e6
    return Limits(min(settings.max_megapixels, round(affordable, 1)), settings.max_megabytes)
