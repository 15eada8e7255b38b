"""Pixels are limited by the configuration, or by memory where that is less."""

from pathlib import Path

import pytest

from lowkeyd import config
from lowkeyd.worker import limits as module
from lowkeyd.worker.limits import limits


@pytest.mark.parametrize(("gigabytes", "megapixels"), [(64, 100), (8, 62.5), (4, 31.2), (1, 7.8)])
def test_small_machines_take_smaller_photos(monkeypatch: pytest.MonkeyPatch, gigabytes: int, megapixels: float) -> None:
    monkeypatch.setattr(module, "_memory_bytes", lambda: gigabytes * 10**9)
    assert limits(config.Worker()).max_megapixels == megapixels


def test_the_configured_limits_hold_where_memory_suffices() -> None:
    worker = config.Worker(max_megapixels=2.5, max_megabytes=3.0)
    assert limits(worker) == module.Limits(2.5, 3.0)


def group(root: Path, path: str, limit: str) -> None:
    (root / path).mkdir(parents=True, exist_ok=True)
    (root / path / "memory.max").write_text(limit + "\n")


def test_a_control_groups_limit_counts_and_that_of_any_above(tmp_path: Path) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    group(root, "system.slice", "3000")
    group(root, "system.slice/lowkeyd.service", "max")
    group(root, "system.slice/other.service", "10")
    membership.write_text("0::/system.slice/lowkeyd.service\n")
    assert module._group_limits(membership, root) == [3000]


def test_without_control_groups_memory_is_the_machines(tmp_path: Path) -> None:
    assert module._group_limits(tmp_path / "none", tmp_path) == []
    (tmp_path / "old").write_text("4:memory:/somewhere\n")
    assert module._group_limits(tmp_path / "old", tmp_path / "nothing") == []
    assert module._memory_bytes() > 10**8
