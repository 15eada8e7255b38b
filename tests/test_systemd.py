"""The unit file is understood by systemd, and promises what the daemon relies on."""

import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from lowkeyd.errors import AlreadyRunning, ConfigError, WeightsError

UNIT = Path(__file__).parents[1] / "systemd" / "lowkeyd.service"
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")


def settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


@pytest.fixture
def installable(tmp_path: Path) -> Path:
    """The unit, with a program that is sure to be there."""
    copy = tmp_path / "lowkeyd.service"
    copy.write_text(UNIT.read_text(encoding="utf-8").replace("/usr/local/bin/lowkeyd", "/bin/sh"), encoding="utf-8")
    return copy


@needs_systemd
def test_systemd_understands_every_line(installable: Path) -> None:
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(installable)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


@needs_systemd
def test_it_stays_well_sandboxed(installable: Path) -> None:
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", str(installable)],  # 1.5 of 10
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


@needs_systemd
@pytest.mark.parametrize("drop_in", sorted(UNIT.parent.glob("*.conf.example")), ids=lambda path: path.name)
def test_each_drop_in_is_understood_and_opens_no_more_than_it_says(installable: Path, drop_in: Path) -> None:
    folder = installable.with_name("lowkeyd.service.d")
    folder.mkdir()
    (folder / "extra.conf").write_text(drop_in.read_text(encoding="utf-8"), encoding="utf-8")
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(installable)], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    threshold = {"hook-network.conf.example": 30}.get(drop_in.name, 15)
    scored = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", f"--threshold={threshold}", str(installable)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert scored.returncode == 0, scored.stdout


def test_the_program_carries_the_very_unit() -> None:
    assert files("lowkeyd").joinpath("lowkeyd.service").read_text(encoding="utf-8") == UNIT.read_text(encoding="utf-8")


def test_a_reload_is_the_signal_that_the_daemon_knows() -> None:
    assert settings()["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_errors_that_a_restart_cannot_cure_are_not_restarted() -> None:
    spared = {int(code) for code in settings()["RestartPreventExitStatus"][0].split()}
    assert spared == {ConfigError.exit_code, WeightsError.exit_code, AlreadyRunning.exit_code}


def test_a_worker_killed_for_memory_leaves_the_daemon_alive() -> None:
    assert settings()["OOMPolicy"] == ["continue"]


@pytest.mark.parametrize(
    "name", ["PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock", "MemoryDenyWriteExecute"]
)
def test_nothing_takes_the_gpu_or_the_compiler_away(name: str) -> None:
    assert name not in settings()


def test_every_setting_has_its_reason() -> None:
    blocks = re.split(r"\n\n|\n(?=\[)", UNIT.read_text(encoding="utf-8"))
    bare = [block for block in blocks if "=" in block and "#" not in block and "[Install]" not in block]
    assert bare == []
