import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from rich.text import Text

from lowkeyd import cli
from lowkeyd.cli import shown
from lowkeyd.errors import Fatal, LowkeydError, OutboxUnavailable, UnreadablePhoto
from tests.cli.conftest import Lowkeyd
from tests.helpers.home import Home, environment

COMMANDS = [
    *("run", "protect", "status", "demo", "evaluate", "retry"),
    *("models list", "models fetch", "models add", "models check"),
    *("config init", "config check", "config show"),
    *("explain", "failed", "weak", "ignore", "history", "health", "doctor", "install-service"),
    *("bump", "pause", "resume", "accept"),
]


def test_the_version_is_the_packages(lowkeyd: Lowkeyd) -> None:
    result = lowkeyd("--version")
    assert (result.code, result.out) == (0, f"lowkeyd {version('lowkeyd')}\n")


def test_no_command_is_left_untested() -> None:
    """The list above names every command that there is."""
    group = typer.main.get_command(cli.app)
    assert isinstance(group, typer.core.TyperGroup)
    named = []
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        named += [f"{name} {verb}" for verb in inner] if inner else [name]
    assert sorted(named) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(lowkeyd: Lowkeyd, command: str) -> None:
    result = lowkeyd(*command.split(), "--help")
    assert result.code == 0
    assert re.search(rf"Example: lowkeyd {command}( |$)", result.out, re.MULTILINE)


def test_help_documents_every_exit_code(lowkeyd: Lowkeyd) -> None:
    told = " ".join(lowkeyd("--help").out.split())
    codes = {0, 2, os.EX_TEMPFAIL, *(error.exit_code for error in Fatal.__subclasses__())}
    assert codes == {0, 1, 2, 11, 75, 78}
    assert [code for code in codes if not re.search(rf"(: |· |│ ){code} [a-z]", told)] == []


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["run", "--no-such-option"], ["status", "--rows", "many"], ["protect"]]
)
def test_wrong_usage_ends_with_2(lowkeyd: Lowkeyd, arguments: list[str]) -> None:
    result = lowkeyd(*arguments)
    assert result.code == 2
    assert "Usage" in result.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        *((kind("a sentence"), kind.exit_code) for kind in Fatal.__subclasses__()),
        (OutboxUnavailable("a sentence"), 75),
        (UnreadablePhoto("a sentence"), 1),
    ],
)
def test_every_error_comes_as_one_sentence_with_its_exit_code(
    lowkeyd: Lowkeyd, monkeypatch: pytest.MonkeyPatch, error: LowkeydError, code: int
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    result = lowkeyd()
    assert (result.code, result.out, result.err) == (code, "", "lowkeyd: a sentence\n")


def test_a_path_that_is_no_text_is_told_in_one_line(lowkeyd: Lowkeyd, tmp_path: Path) -> None:
    result = lowkeyd("config", "check", "--config", tmp_path / os.fsdecode(b"caf\xe9\nline.toml"))
    assert result.code == 78
    assert result.err.startswith(rf"lowkeyd: {tmp_path}/caf\udce9\nline.toml: no such file")
    assert len(result.err.splitlines()) == 1


def test_help_shows_brackets_as_they_are_and_fits_the_terminal(
    lowkeyd: Lowkeyd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    told = lowkeyd("retry", "-h").out
    assert "[attack], [metadata], formats or lowkeyd itself" in " ".join(told.split())
    assert max(map(len, told.splitlines())) <= 80


PROGRAM = "import sys; from lowkeyd.cli import main; sys.exit(main())"


@pytest.mark.parametrize("command", [("doctor",), ("run", "--once")])
def test_no_program_of_a_stranger_is_run_from_the_folder_we_stand_in(home: Home, command: tuple[str, ...]) -> None:
    """Who may write to the inbox must not be who types a command in it."""
    home.configure()
    traces = home.folder / "trace"
    for name in ("json.py", "multiprocessing.py", "torch.py", "lowkeyd.py"):
        (home.inbox / name).write_text(f"open({str(traces)!r}, 'a').write('{name} ')")
    (home.inbox / "no.jpg").write_bytes(b"no picture at all, but long enough to be looked at")
    called = [sys.executable, "-P", "-c", PROGRAM, *command, "--config", str(home.config)]
    ended = subprocess.run(called, cwd=home.inbox, env=environment(), capture_output=True, text=True, check=False)
    assert "Traceback" not in ended.stderr
    assert not traces.exists()
    assert command == ("doctor",) or home.counts() == {"failed": 1}


def test_names_are_shown_to_the_letter() -> None:
    console = shown.console()
    with console.capture() as captured:
        console.print(Text("a :cat: [b]"))
        console.print("a :cat: [b]")
    assert captured.get() == "a :cat: [b]\n" * 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
@pytest.mark.parametrize("command", [("models", "list"), ("config", "show"), ("--help",)])
def test_output_that_cannot_be_written_is_one_sentence(home: Home, command: tuple[str, ...]) -> None:
    home.configure()
    called = [sys.executable, "-P", "-c", PROGRAM, *command]
    with open("/dev/full", "w") as full:
        environ = environment() | {"LOWKEYD_CONFIG": str(home.config)}
        ended = subprocess.run(called, stdout=full, env=environ, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (
        os.EX_IOERR,
        "lowkeyd: what it says cannot be written: the disk is full\n",
    )


def test_who_has_read_enough_of_health_still_gets_its_exit_code(home: Home) -> None:
    home.configure()
    with subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM, "health", "--config", str(home.config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    ) as called:
        assert called.stdout is not None
        assert called.stderr is not None
        called.stdout.close()
        assert (called.stderr.read(), called.wait()) == ("", 2), "no daemon runs"


def test_closed_output_changes_no_exit_code(home: Home) -> None:
    home.configure()
    for command, code in (("--version", 0), ("health", 2)):
        called = f"exec '{sys.executable}' -P -c '{PROGRAM}' {command} >&-"
        environ = environment() | {"LOWKEYD_CONFIG": str(home.config)}
        ended = subprocess.run(["sh", "-c", called], env=environ, stderr=subprocess.PIPE, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (code, ""), command
