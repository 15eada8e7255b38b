"""The worker child: the only process that holds networks and CUDA. It has strangers' bytes decoded by another one
(`decoding.py`).

It serves one connection and ends with it. Ending the process is the only way that GPU memory and idle watts come back.
"""

import contextlib
import os
import resource
import signal
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from lowkeyd import config
from lowkeyd.errors import Fatal, PhotoChanged
from lowkeyd.folders import originals
from lowkeyd.model import sha256
from lowkeyd.worker.messages import BatchDone, Broken, Finished, Ready, Task, Unfit

if TYPE_CHECKING:
    from lowkeyd.worker.protect import Protector

_OOM_SCORE = "500"
"""When memory runs out, the kernel should take the worker, which loses nothing, and not the daemon."""
_GONE = (EOFError, BrokenPipeError, ConnectionResetError)
"""How it shows that the daemon has closed the connection or died: at the next step of the loop, if not before."""


def serve(connection: Connection, settings: config.Config, device: str) -> None:
    """What the child process does: answer batches of tasks until the daemon closes the connection or dies."""
    serve_with(lambda: _load(settings, device), connection, settings.worker)


def _load(settings: config.Config, device: str) -> "Protector":
    # Imported in the child only: the daemon itself never loads torch.
    from lowkeyd.worker.protect import Protector

    return Protector(settings, device)


def serve_with(load: Callable[[], "Protector"], connection: Connection, worker: config.Worker) -> None:
    """As `serve`, with whatever `load` makes of the networks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the daemon decides for us
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)
    with contextlib.suppress(*_GONE):
        try:
            _serve(load, connection, int(worker.max_megabytes * 1e6))
        except Fatal as error:
            connection.send(Unfit(str(error)))
        except _GONE:
            raise
        except Exception:  # the one broad catch: the daemon tries the photos again, one by one, and says which it was
            connection.send(Broken(traceback.format_exc()))


def _serve(load: Callable[[], "Protector"], connection: Connection, max_bytes: int) -> None:
    started = time.monotonic()
    sending = threading.Lock()

    def tell(news: object) -> None:
        with sending:  # connections are not for several threads at once
            connection.send(news)

    protector = load()
    tell(Ready(protector.device, time.monotonic() - started))
    while True:
        tasks: list[Task] = connection.recv()
        photos = [(task.job, partial(_read, task, max_bytes)) for task in tasks]
        for job, outcome in protector.run(photos, tell):
            tell(Finished(job, outcome))
        tell(BatchDone(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def _read(task: Task, max_bytes: int) -> bytes:
    content = originals.read(Path(os.fsdecode(task.path)), max_bytes)
    if sha256(content) != task.sha256:
        raise PhotoChanged("it was written to after it had settled")
    return content
