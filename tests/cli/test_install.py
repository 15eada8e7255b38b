"""The real plan; only useradd, install and systemctl are stubs, which write down what they were asked."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from lowkeyd import config
from lowkeyd.cli import install
from lowkeyd.errors import ConfigError
from tests.cli.conftest import Lowkeyd

PROGRAM = Path("/bin/sh")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for /, and the stubs."""
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for name in ("id", "useradd", "systemctl", "install"):
        make_folder = 'for last; do :; done; mkdir -p "$last"' if name == "install" else ":"
        (stubs / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/asked\n{make_folder}\n')
        (stubs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{stubs}:{os.environ['PATH']}")
    monkeypatch.setattr(install, "_UNITS", tmp_path / "units")
    monkeypatch.setattr(config, "SERVICE", tmp_path / "etc/lowkeyd/config.toml")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "units").mkdir()
    return tmp_path


def verify(unit: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_it_is_printed_as_a_script_that_a_shell_understands(lowkeyd: Lowkeyd) -> None:
    result = lowkeyd("install-service", "--program", PROGRAM)
    assert (result.code, result.err) == (0, "")
    checked = subprocess.run(["sh", "-n"], input=result.out, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert f"ExecStart=/bin/sh run --config {config.SERVICE}" in result.out
    assert "useradd --system" in result.out


def test_done_on_a_bare_machine_everything_is_there_and_fits_together(lowkeyd: Lowkeyd, machine: Path) -> None:
    result = lowkeyd("install-service", "--write", "--program", PROGRAM)
    assert (result.code, result.err) == (0, "")
    settings = config.load(machine / "etc/lowkeyd/config.toml")
    assert (str(settings.state.path), str(settings.outbox.path)) == ("/var/lib/lowkeyd", "/srv/lowkeyd/outbox")
    drop_in = machine / "units/lowkeyd.service.d/outbox.conf"
    assert "ReadWritePaths=-/srv/lowkeyd/outbox" in drop_in.read_text()
    asked = (machine / "asked").read_text().splitlines()
    assert asked[0] == "id lowkeyd"
    assert "install -d -o lowkeyd -g lowkeyd -m 2770 /srv/lowkeyd/outbox" in asked
    assert asked[-1] == "systemctl daemon-reload"
    verify(machine / "units/lowkeyd.service")


def test_a_configuration_that_is_there_stays_and_its_outbox_is_opened(lowkeyd: Lowkeyd, machine: Path) -> None:
    there = machine / "etc/lowkeyd/config.toml"
    there.parent.mkdir(parents=True)
    text = '[state]\npath = "/var/lib/lowkeyd"\n[outbox]\npath = "/mnt/50% my photos"\n'
    there.write_text(text)
    assert lowkeyd("install-service", "--write", "--program", PROGRAM).code == 0
    assert there.read_text() == text
    drop_in = (machine / "units/lowkeyd.service.d/outbox.conf").read_text()
    assert 'ReadWritePaths=-"/mnt/50%% my photos"' in drop_in
    verify(machine / "units/lowkeyd.service")


def test_a_state_that_the_service_could_not_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[state]\npath = "/somewhere"\n')
    with pytest.raises(ConfigError, match="keeps its state in /var/lib/lowkeyd"):
        install.plan(PROGRAM, tmp_path / "config.toml", configured=True)


def test_only_root_may_have_it_done(lowkeyd: Lowkeyd, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = lowkeyd("install-service", "--write", "--program", PROGRAM)
    assert (result.code, "is for root" in result.err) == (2, True)
    assert not (machine / "asked").exists()


def test_a_program_that_the_services_user_cannot_reach_is_refused(lowkeyd: Lowkeyd, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / "lowkeyd").write_text("#!/bin/sh\n")
    (hidden / "lowkeyd").chmod(0o755)
    result = lowkeyd("install-service", "--program", hidden / "lowkeyd")
    assert (result.code, "may not enter" in " ".join(result.err.replace("│", " ").split())) == (2, True)
    assert lowkeyd("install-service", "--program", tmp_path).code == 2


def test_so_is_one_whose_python_lies_in_somebodys_home(lowkeyd: Lowkeyd, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "python").touch()
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "lowkeyd"
        Path(folder).chmod(0o755)
        program.write_text(f"#!{home}/python\n")
        program.chmod(0o755)
        result = lowkeyd("install-service", "--program", program)
        assert (result.code, "/python lies in" in " ".join(result.err.replace("│", " ").split())) == (2, True)
        program.write_text("#!/bin/sh\n")
        assert lowkeyd("install-service", "--program", program).code == 0
