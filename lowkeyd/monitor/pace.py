"""How fast photos come to their end, and how long the rest will take: as a band, because nobody knows it better."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, sqrt

_PAUSE_S = 900.0
"""A longer silence is taken for a time without work: what was before it says nothing about now."""
_TOGETHER_S = 2.0
"""What ends within so short a time was one batch, and is one observation only."""
_FEWEST = 3


@dataclass(frozen=True)
class Pace:
    """Photos a second, as seen over so many batches with so many photos each."""

    per_s: float
    batches: int
    per_batch: float

    def left_s(self, photos: int) -> tuple[float, float]:
        """How long so many photos will take, at best and at worst; right in nineteen of twenty cases.

        A mean of n batches is known to about 1/sqrt(n) of itself, and that of the batches to come varies likewise.
        """
        likely, to_come = photos / self.per_s, max(1.0, photos / self.per_batch)
        spread = exp(2 * sqrt(1 / self.batches + 1 / to_come))
        return likely / spread, likely * spread


def of(ended_at: Sequence[float], now: float) -> Pace | None:
    """The pace of the newest run of work, from the moments at which photos ended, the newest first; None while there
    are too few. Pure."""
    run = _newest_run(ended_at, now)
    batches = sum(earlier <= later - _TOGETHER_S for later, earlier in pairwise(run))
    if batches < _FEWEST:
        return None
    # The first moment only says when the run began; a silence since the last one counts, once it is longer than usual.
    photos = sum(moment > run[-1] + _TOGETHER_S for moment in run)
    span_s = run[0] - run[-1]
    usual_s = span_s / batches
    span_s = max(span_s, now - run[-1] - usual_s)
    return Pace(photos / span_s, batches, photos / batches)


def _newest_run(ended_at: Sequence[float], now: float) -> list[float]:
    run: list[float] = []
    later = now
    for moment in ended_at:
        if later - moment > _PAUSE_S:
            break
        run.append(moment)
        later = moment
    return run
