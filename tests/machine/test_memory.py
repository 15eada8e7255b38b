from pathlib import Path

import pytest

from lowkeyd.machine import memory


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files like the kernel's, so that it need not kill anybody for a test."""
    monkeypatch.setattr(memory, "_BOOT", tmp_path / "boot_id")
    monkeypatch.setattr(memory, "_COUNTERS", tmp_path / "vmstat")
    (tmp_path / "boot_id").write_text("this boot\n")
    (tmp_path / "vmstat").write_text("nr_free_pages 9\noom_kill 4\ndrop_slab 1\n")
    return tmp_path


def test_kills_are_counted(kernel: Path) -> None:
    assert memory.kills() == 4


def test_a_kill_after_the_mark_is_noticed(kernel: Path) -> None:
    before = memory.mark()
    assert not memory.ran_out_since(before)
    (kernel / "vmstat").write_text("oom_kill 5\n")
    assert memory.ran_out_since(before)


def test_another_boot_counts_from_zero_and_knows_nothing(kernel: Path) -> None:
    before = memory.mark()
    (kernel / "vmstat").write_text("oom_kill 5\n")
    (kernel / "boot_id").write_text("another boot\n")
    assert not memory.ran_out_since(before)


def test_without_a_mark_or_a_kernel_that_tells_nothing_is_known(kernel: Path) -> None:
    assert not memory.ran_out_since(None)
    (kernel / "vmstat").unlink()
    assert memory.kills() == 0


@pytest.mark.skipif(not Path("/proc/vmstat").exists(), reason="this kernel has no such counters")
def test_this_kernel_is_understood() -> None:
    assert memory.mark()["boot"]
    assert "oom_kill" in Path("/proc/vmstat").read_text()
