import json

from tests.cli.conftest import Lowkeyd
from tests.home import Home


def test_a_daemon_that_works_is_fine_and_one_that_is_gone_is_broken(lowkeyd: Lowkeyd, home: Home) -> None:
    with home.daemon() as daemon:
        home.drop("a.jpg", b"portrait")
        home.await_counts(done=1)
        result = lowkeyd("health", "--config", home.config)
        assert (result.code, result.err) == (0, "")
        assert {line[:4] for line in result.out.splitlines()} == {"ok  "}
        daemon.end()
    result = lowkeyd("health", "--config", home.config)
    assert result.code == 2
    assert result.out.startswith("BAD   daemon: it is not running\n      Start it")


def test_before_the_first_run_it_is_broken(lowkeyd: Lowkeyd, home: Home) -> None:
    result = lowkeyd("health", "--json", "--config", home.config)
    told = json.loads(result.out)
    assert (result.code, told["version"], told["health"]) == (2, 1, "broken")
    assert [(finding["level"], finding["about"]) for finding in told["findings"]] == [("broken", "database")]
