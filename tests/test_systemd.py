"""The unit file is understood by systemd, and promises what the daemon relies on."""

import re
import shutil
import subprocess
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
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(installable)],  # 2.0 of 10
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


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
