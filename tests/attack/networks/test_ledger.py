import errno
import multiprocessing
import os
import stat
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from lowkeyd.attack.networks import ledger
from lowkeyd.attack.networks.ledger import Record
from lowkeyd.errors import WeightsError


def test_what_is_recorded_is_read_again(tmp_path: Path) -> None:
    assert ledger.read(tmp_path) == {}
    rows = {"a": Record("ir", "a.pth", "00", 1.1), "b": Record("onnx", "b.onnx", "11")}
    for name, row in rows.items():
        ledger.record(tmp_path, name, row)
    assert ledger.read(tmp_path) == rows
    assert [path.name for path in tmp_path.iterdir()] == [ledger.NAME], "nothing is left lying beside it"


def _record_many(folder: Path, name: str, start: Barrier) -> None:
    start.wait(60)
    for number in range(20):
        ledger.record(folder, f"{name}{number}", Record("ir", "f", "0"))


def test_two_processes_lose_none_of_each_others_records(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(2)
    writers = [spawn.Process(target=_record_many, args=(tmp_path, name, start)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert len(ledger.read(tmp_path)) == 40


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"networks": 3}', '{"networks": {"a": {"family": "ir"}}}'])
def test_a_damaged_ledger_is_named_with_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / ledger.NAME).write_text(text)
    with pytest.raises(WeightsError, match=r"ledger\.json: not a ledger of lowkeyd's: .*; move it away"):
        ledger.read(tmp_path)


def test_a_folder_that_cannot_be_written_is_a_matter_of_weights(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(WeightsError, match="the folder of models cannot be written: Not a directory"):
        ledger.record(file, "a", Record("ir", "f", "0"))


def test_a_network_drive_that_neither_locks_nor_syncs_folders_takes_records_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr("fcntl.flock", flock)
    row = Record("ir", "a.pth", "00")
    ledger.record(tmp_path, "a", row)
    assert ledger.read(tmp_path) == {"a": row}
