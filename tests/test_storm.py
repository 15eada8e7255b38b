from pathlib import Path

from lowkeyd.model import sha256
from tests.helpers import namespace
from tests.helpers.home import PATIENCE_S, Home, needs_namespaces
from tests.helpers.storm import Storm, verdicts


def bad_day(folder: Path) -> None:
    """Few photos and the stand-in here; `benchmarks/storm.py` does a thousand with the real networks."""
    home = Home(folder / "home")
    photos = [(f"{number % 3}/{number}.jpg", b"slow 0.1 %d " % number * 1000) for number in range(30)]
    storm = Storm(home, disk_mb=8, pause_s=(0.5, 2.5), lasts_s=1.5, seed=3)
    storm.rage(photos, backlog=20, patience_s=1.5 * PATIENCE_S)  # alone on its machine it takes a minute
    assert home.call("run", "--once").returncode == 0
    told = verdicts(home, {name: sha256(content) for name, content in photos})
    assert all(told.values()), f"{told}, {storm.kills}"
    assert storm.kills["in work"], f"{storm.kills}: this run shows too little"


@needs_namespaces()
def test_kills_a_full_disk_an_unplugged_library_and_a_clock_that_jumps_cost_no_photo(tmp_path: Path) -> None:
    namespace.run(bad_day, tmp_path)
