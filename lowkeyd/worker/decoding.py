"""The process in which strangers' bytes meet decoders: it holds nothing else, and its memory and time are limited.

Run by `worker/decoder.py`, as a program of its own, because no limit on memory can be set where CUDA lives: it reserves
more addresses than the machine has bytes. It ends when its connection does.
"""

import contextlib
import logging
import os
import resource
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from lowkeyd.errors import PhotoError, PhotoTooLarge, TryLater
from lowkeyd.imaging.decode import Limits, Picture, decode

_OOM_SCORE = "1000"
"""When memory runs out, the kernel should take this process before any other: it costs one photo."""
_SLACK_BYTES = 512_000_000
"""For libraries, threads of decoders and what files need whatever their size."""
_BYTES_PER_PIXEL = 64
"""Of addresses, at the widest moment: a 16-bit picture with alpha, read twice, converted and packed to be sent."""
_COPIES_OF_FILE = 4


def main() -> None:
    """Decode what comes, one after the other. Arguments: socket, 10^6 pixels, 10^6 bytes, seconds."""
    descriptor, megapixels, megabytes, seconds = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the worker decides; its end is ours
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    _silence_libraries()
    limits = Limits(float(megapixels), float(megabytes))
    _limit_memory(limits)
    with Connection(int(descriptor)) as connection, contextlib.suppress(EOFError, ConnectionError):
        while True:
            content = connection.recv_bytes()
            _limit_time(float(seconds))
            connection.send(_outcome(content, limits))


def _silence_libraries() -> None:
    """What libtiff and others write about damaged files stays out of the log; traces of our own defects go there."""
    logging.disable()
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _limit_memory(limits: Limits) -> None:
    addresses = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    photo = limits.max_megapixels * 1e6 * _BYTES_PER_PIXEL + limits.max_megabytes * 1e6 * _COPIES_OF_FILE
    _lower(resource.RLIMIT_AS, addresses + _SLACK_BYTES + int(photo))
    _lower(resource.RLIMIT_CORE, 0)


def _limit_time(seconds: float) -> None:
    """Also where the worker is gone, and nobody is there to end a decoder that hangs."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, int(usage.ru_utime + usage.ru_stime + seconds) + 2)


def _lower(kind: int, soft: int) -> None:
    """Where a sandbox forbids even that, photos are decoded all the same: the worker watches the clock, too."""
    hard = resource.getrlimit(kind)[1]
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _outcome(content: bytes, limits: Limits) -> Picture | PhotoError | TryLater:
    try:
        return decode(content, limits)
    except (PhotoError, TryLater) as error:
        return error
    except MemoryError:
        return PhotoTooLarge("decoding it needs more memory than it may have")


if __name__ == "__main__":
    main()
