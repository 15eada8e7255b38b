import os
from pathlib import Path

from lowkeyd.model import State
from lowkeyd.monitor import metrics
from lowkeyd.monitor.finding import Level
from lowkeyd.monitor.status import Status
from lowkeyd.store.lookup import Progress
from lowkeyd.store.snapshot import Snapshot

NOW = 1_700_000_000.0


def status(daemon: dict[str, object] | None) -> Status:
    counts = {("inbox", State.DONE): 7, ('a "quoted"\nname', State.FAILED): 1}
    photos = Snapshot(counts, 2, 0, (), (), (), daemon)
    return Status(True, ("inbox",), NOW, Path("/outbox"), photos, free_bytes=10**9)


def rendered(daemon: dict[str, object] | None, progress: Progress) -> list[str]:
    text = metrics.render(status(daemon), progress, Level.DEGRADED)
    assert text.endswith("\n")
    return text.splitlines()


def test_everything_is_there_in_prometheus_words() -> None:
    workers = [{"device": "cuda:0", "state": "busy"}, {"device": "cuda:1", "state": "idle"}]
    report: dict[str, object] = {"workers": workers, "scanned_at": NOW - 5, "roots": {"inbox": {"offline": "away"}}}
    lines = rendered(report, Progress(NOW - 60, None, None, NOW - 30))
    assert {
        'lowkeyd_photos{watch="inbox",state="done"} 7',
        'lowkeyd_photos{watch="inbox",state="ready"} 0',
        r'lowkeyd_photos{watch="a \"quoted\"\nname",state="failed"} 1',
        "lowkeyd_weak_photos 2",
        "lowkeyd_oldest_ready_seconds 60",
        "lowkeyd_last_scan_timestamp_seconds 1699999995",
        "lowkeyd_last_photo_timestamp_seconds 1699999970",
        'lowkeyd_worker_busy{device="cuda:0"} 1',
        'lowkeyd_worker_busy{device="cuda:1"} 0',
        'lowkeyd_folder_offline{watch="inbox"} 1',
        "lowkeyd_outbox_free_bytes 1000000000",
        "lowkeyd_health 1",
    } <= set(lines)


def test_each_name_is_explained_once_before_its_samples() -> None:
    lines = rendered(None, Progress(None, None, None, None))
    explained: list[str] = []
    for line in lines:
        if line.startswith("# HELP"):
            explained.append(line.split()[2])
        elif not line.startswith("#"):
            assert line.split("{")[0].split()[0] == explained[-1]
    assert len(explained) == len(set(explained))
    assert "lowkeyd_last_scan_timestamp_seconds" not in explained, "there was none yet, and nothing is made up"


def test_the_manual_names_every_figure() -> None:
    manual = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
    workers = [{"device": "cpu", "state": "idle"}]
    report: dict[str, object] = {"workers": workers, "scanned_at": NOW, "roots": {"inbox": {"offline": None}}}
    lines = rendered(report, Progress(NOW, None, None, NOW))
    names = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {name for name in names if f"`{name}" not in manual} == set()
    assert len(names) == 10


def test_a_collector_never_reads_half_a_file(tmp_path: Path) -> None:
    target = tmp_path / "lowkeyd.prom"
    target.write_text("old")
    with target.open() as reader:
        metrics.write(target, "new")
        assert reader.read() == "old"
    assert (target.read_text(), target.stat().st_mode & 0o777, os.listdir(tmp_path)) == ("new", 0o644, [target.name])
