"""Pixels are limited by the configuration, or by memory where that is less."""

import pytest

from lowkeyd import config
from lowkeyd.machine import memory
from lowkeyd.worker import limits as module
from lowkeyd.worker.limits import limits


@pytest.mark.parametrize(("gigabytes", "megapixels"), [(64, 100), (8, 62.5), (4, 31.2), (1, 7.8)])
def test_small_machines_take_smaller_photos(monkeypatch: pytest.MonkeyPatch, gigabytes: int, megapixels: float) -> None:
    monkeypatch.setattr(memory, "total_bytes", lambda: gigabytes * 10**9)
    assert limits(config.Worker()).max_megapixels == megapixels


def test_the_configured_limits_hold_where_memory_suffices() -> None:
    worker = config.Worker(max_megapixels=2.5, max_megabytes=3.0)
    assert limits(worker) == module.Limits(2.5, 3.0)
