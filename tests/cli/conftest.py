"""The command line in this process: what it prints, and what it ends with."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lowkeyd import cli, config
from tests.helpers.home import Home


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Lowkeyd = Callable[..., Result]


@pytest.fixture
def lowkeyd(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lowkeyd:
    monkeypatch.setattr(config, "SERVICE", Path("/nowhere/config.toml"))  # whatever this machine has

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["lowkeyd", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")
