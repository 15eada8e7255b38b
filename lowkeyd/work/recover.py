"""At start: settles what the last daemon had in hand when it died without a word."""

import time

import structlog

from lowkeyd.machine import memory
from lowkeyd.model import Job, Stage, readable
from lowkeyd.store.queue import Queue
from lowkeyd.work import retry
from lowkeyd.work.publish import Publisher

log = structlog.get_logger()


def recover(photos: Queue, publisher: Publisher) -> None:
    """Publications are finished, photos tried again or, if they may have been the reason too often, given up."""
    out_of_memory = memory.ran_out_since((photos.last_report() or {}).get("memory"))
    jobs, publications = photos.cut_short()
    for job, stage in jobs:
        _settle(photos, job, stage, out_of_memory)
    for publication in publications:
        publisher.finish(publication)
    publisher.outbox.sweep(older_than_s=0.0)


def _settle(photos: Queue, job: Job, stage: Stage, out_of_memory: bool) -> None:
    given_up = retry.after_interruption(job, stage, out_of_memory=out_of_memory)
    named = {"watch": job.photo.watch, "photo": readable(job.photo.path)}
    if given_up is None:
        log.info("cut short", **named, out_of_memory=out_of_memory)
        photos.interrupt(job, time.time(), counted=out_of_memory)
    else:
        log.warning("failed", **named, stage=stage, reason=given_up.reason)
        photos.fail(job, given_up.stage, given_up.reason, given_up.advice, time.time())
