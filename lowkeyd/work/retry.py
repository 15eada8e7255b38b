"""Decides what follows when something went wrong. Pure: it is told what happened and what time it is."""

from dataclasses import dataclass

from lowkeyd.errors import RETRY, OutOfMemory, PhotoChanged, PhotoIncomplete, TryLater
from lowkeyd.model import Job, Stage
from lowkeyd.store.turns import LONGEST_WAIT_S

MAX_ATTEMPTS = 3
"""Crashes or half-copied states that one version of a photo may cost."""
MAX_INTERRUPTIONS = 50
"""Ends of the daemon that a photo may be in hand at, in a row and by chance: far more than a bad week of power cuts and
impatient kills can bring, yet not for ever."""
_INCOMPLETE_WAITS_S = (30.0, 300.0)
"""A stalled upload gets as many chances; when its bytes change it starts afresh anyhow."""
_OUTSIDE_WAIT_S = 60.0
"""For what a person, or a disk that comes back, has to put right: soon noticed, and cheap to try."""
_CHANGED_WAIT_S = 5.0
_MEMORY_WAITS_S = (300.0, 3600.0, LONGEST_WAIT_S)
"""Who plays or trains on the GPU may hold its memory for an evening. Alone and in a fresh worker a photo has it all to
itself; what has no room then, and never will, costs a worker each time."""


@dataclass(frozen=True)
class Wait:
    """Try again at `until`; the attempt counts only if the photo may be to blame."""

    until: float
    counted: bool


@dataclass(frozen=True)
class GiveUp:
    """Fail, and say so."""

    stage: Stage
    reason: str
    advice: str


@dataclass(frozen=True)
class Again:
    """Try again at once, alone; the attempt counts."""


def after(error: TryLater, job: Job, now: float) -> Wait | Again | GiveUp:
    """What to do about a photo whose moment was wrong."""
    match error:
        case PhotoIncomplete():
            if job.attempts >= MAX_ATTEMPTS:
                return GiveUp(error.stage, error.reason, error.advice)
            return Wait(now + _INCOMPLETE_WAITS_S[job.attempts - 1], counted=True)
        case OutOfMemory():
            return _after_want_of_memory(error, job.attempts, now)
        case PhotoChanged():
            return Wait(now + _CHANGED_WAIT_S, counted=False)
        case _:
            return Wait(now + _OUTSIDE_WAIT_S, counted=False)


def _after_want_of_memory(error: OutOfMemory, attempts: int, now: float) -> Wait | Again | GiveUp:
    if attempts == 1:
        return Again()
    if attempts <= 1 + len(_MEMORY_WAITS_S):
        return Wait(now + _MEMORY_WAITS_S[attempts - 2], counted=True)
    return GiveUp(error.stage, f"{error.reason}, alone and in a fresh worker too", error.advice)


def after_crash(job: Job, stage: Stage, how: str) -> GiveUp | None:
    """What to do about a photo that was in the hands of a worker that died. None: try it again, alone."""
    if job.attempts < MAX_ATTEMPTS:
        return None
    return GiveUp(
        stage,
        f"the worker {how}, at attempt {job.attempts}",
        "Please report it with the log and, if you can, the photo; `lowkeyd retry` runs it again.",
    )


def after_interruption(job: Job, stage: Stage, *, out_of_memory: bool) -> GiveUp | None:
    """What to do about a photo that was in hand when the daemon itself died. None: try it again, alone."""
    if job.interruptions + 1 >= MAX_INTERRUPTIONS:
        how = f"the daemon was ended from outside {job.interruptions + 1} times in a row while this photo was in work"
    elif out_of_memory and job.attempts >= MAX_ATTEMPTS:
        how = f"the daemon was ended for want of memory, and this photo was in work, at attempt {job.attempts}"
    else:
        return None
    return GiveUp(stage, how, f"Give lowkeyd more memory, or lower [worker] max_megapixels; {RETRY}")
