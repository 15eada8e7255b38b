"""What became of a photo, turned into a file in the outbox and a row that says so."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from lowkeyd.errors import OutboxUnavailable, PhotoChanged, PhotoError, PhotoLeftAlone, ProtectionTooWeak, TryLater
from lowkeyd.folders import companions
from lowkeyd.intake.roots import Roots
from lowkeyd.model import Job, NoFace, Photo, Protected, Stage, Strength, Verdict, readable
from lowkeyd.store.judgement import Judgement, verdict_json
from lowkeyd.store.queue import Queue
from lowkeyd.work import retry
from lowkeyd.work.publish import Publisher
from lowkeyd.worker.messages import Outcome

log = structlog.get_logger()


@dataclass(frozen=True)
class Conclusion:
    """Files outcomes. `changed` is told of photos that were written to, so that somebody looks at them again."""

    photos: Queue
    publisher: Publisher
    roots: Roots
    fingerprint: str
    changed: Callable[[Photo], None]

    def conclude(self, job: Job, outcome: Outcome) -> None:
        """Settle the row. Raises OutboxUnavailable, after the row was told to wait, when nothing can be delivered."""
        try:
            self._conclude(job, outcome)
        except OutboxUnavailable as error:
            self._later(job, error)
            raise
        except TryLater as error:
            self._later(job, error)
        except PhotoError as error:
            self._failed(job, error.stage, error.reason, error.advice)

    def _conclude(self, job: Job, outcome: Outcome) -> None:
        match outcome:
            case Protected():
                self._protected(job, outcome)
            case NoFace():
                self._no_face(job, outcome)
            case PhotoLeftAlone():
                log.info("ignored", **_named(job), reason=outcome.reason)
                self.photos.leave_alone(job, outcome.reason, outcome.advice, time.time())
            case ProtectionTooWeak(verdict=Verdict() as verdict):
                refused = verdict_json(verdict, fingerprint=self.fingerprint)
                self._failed(job, outcome.stage, outcome.reason, outcome.advice, refused)
            case PhotoError():
                self._failed(job, outcome.stage, outcome.reason, outcome.advice)
            case OutboxUnavailable():
                raise outcome
            case TryLater():
                self._later(job, outcome)

    def _protected(self, job: Job, protected: Protected) -> None:
        verdict, seconds = protected.verdict, round(protected.seconds, 3)
        judgement = Judgement(verdict_json(verdict), verdict.strength, self.fingerprint, seconds)
        path = self.publisher.publish(job, protected.content, protected.suffix, judgement)
        if path is not None:
            beside = companions.beside(self.roots.trees[job.photo.watch].root, job.photo.path)
            left_out = ", ".join([*protected.left_out, *map(readable, beside)])
            named = _named(job) | ({"left_out": left_out} if left_out else {})
            weak = {"weak": verdict.told} if verdict.strength is Strength.WEAK else {}
            log.info("done", **named, delivered=readable(path), faces=len(verdict.faces), **weak)

    def _no_face(self, job: Job, outcome: NoFace) -> None:
        log.info("no_face", **_named(job), copied=outcome.content is not None)
        if outcome.content is None:
            self.photos.no_face(job, time.time())
        else:
            self.publisher.publish(job, outcome.content, outcome.suffix, None)

    def _failed(self, job: Job, stage: Stage, reason: str, advice: str, refused: str | None = None) -> None:
        log.warning("failed", **_named(job), stage=stage, reason=reason)
        self.photos.fail(job, stage, reason, advice, time.time(), refused=refused)

    def _later(self, job: Job, error: TryLater) -> None:
        now = time.time()
        if isinstance(error, PhotoChanged):
            self.changed(job.photo)
        match retry.after(error, job, now):
            case retry.GiveUp(stage, reason, advice):
                self._failed(job, stage, reason, advice)
            case retry.Again():
                log.info("again, alone", **_named(job), reason=error.reason)
                self.photos.suspect(job, now)
            case retry.Wait(until, counted):
                log.info("waiting", **_named(job), stage=error.stage, reason=error.reason)
                self.photos.wait(job, error.stage, error.reason, error.advice, until, now, counted=counted)

    def crashed(self, job: Job, stage: Stage, how: str) -> None:
        """The worker died with this photo in hand, and may have died of it."""
        given_up = retry.after_crash(job, stage, how)
        if given_up is None:
            self.photos.suspect(job, time.time())
        else:
            self._failed(job, given_up.stage, given_up.reason, given_up.advice)


def _named(job: Job) -> dict[str, str]:
    return {"watch": job.photo.watch, "photo": readable(job.photo.path)}
