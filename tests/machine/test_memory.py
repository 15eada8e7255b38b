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


def group(root: Path, path: str, limit: str) -> None:
    (root / path).mkdir(parents=True, exist_ok=True)
    (root / path / "memory.max").write_text(limit + "\n")


def test_a_control_groups_limit_counts_and_that_of_any_above(tmp_path: Path) -> None:
    root, membership = tmp_path / "cgroup", tmp_path / "membership"
    group(root, "system.slice", "3000")
    group(root, "system.slice/lowkeyd.service", "max")
    group(root, "system.slice/other.service", "10")
    membership.write_text("0::/system.slice/lowkeyd.service\n")
    assert list(memory._limited(membership, root)) == [(root / "system.slice", 3000)]


def test_without_control_groups_memory_is_the_machines(tmp_path: Path) -> None:
    assert list(memory._limited(tmp_path / "none", tmp_path)) == []
    (tmp_path / "old").write_text("4:memory:/somewhere\n")
    assert list(memory._limited(tmp_path / "old", tmp_path / "nothing")) == []
    assert memory.total_bytes() > 10**8


def test_what_is_available_is_the_machines_or_what_the_control_group_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "cgroup"
    group(root, "app", "5000000")
    (root / "app/memory.current").write_text("3000000\n")
    (root / "app/memory.stat").write_text("anon 1000000\ninactive_file 500000\n")
    (tmp_path / "membership").write_text("0::/app\n")
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    8000 kB\n")
    for name, path in (("_CGROUP", root), ("_MEMBERSHIP", tmp_path / "membership"), ("_MEMORY", tmp_path / "meminfo")):
        monkeypatch.setattr(memory, name, path)
    assert memory.available_bytes() == 2_500_000
    (root / "app/memory.max").write_text("max\n")
    assert memory.available_bytes() == 8_192_000
