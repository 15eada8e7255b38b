import subprocess
import sys

from tests.cli.conftest import Lowkeyd
from tests.helpers.home import REPOSITORY, Home, environment


def test_it_goes_through_everything_and_ends_with_the_worst(lowkeyd: Lowkeyd, home: Home) -> None:
    result = lowkeyd("doctor", "--quick", "--config", home.config)
    abouts = [line[6:].split(":")[0] for line in result.out.splitlines() if not line.startswith(" ")]
    assert abouts == [
        *("version", "user", "folders", "outbox", "space of outbox", "space of state", "SQLite", "database"),
        *("inotify", "clock", "NVIDIA driver"),
    ]
    assert result.code == (1 if "warn" in result.out else 0)
    home.outbox.rmdir()
    result = lowkeyd("doctor", "--quick", "--config", home.config)
    assert (result.code, "BAD   folders" in result.out) == (2, True)


def test_a_bad_configuration_is_a_finding(lowkeyd: Lowkeyd, home: Home) -> None:
    home.configure(worker={"no_such_key": 1})
    result = lowkeyd("doctor", "--config", home.config)
    assert (result.code, "BAD   configuration" in result.out, "no_such_key" in result.out) == (2, True, True)


def test_it_never_loads_torch_itself(home: Home) -> None:
    program = (
        "import sys; from lowkeyd.cli import app;"
        "app(['doctor', '--quick', '--config', sys.argv[1]], standalone_mode=False);"
        "print('torch' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, str(home.config)]
    result = subprocess.run(command, cwd=REPOSITORY, env=environment(), capture_output=True, text=True, check=False)
    assert result.stderr == "False\n"
