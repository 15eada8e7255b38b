"""How long `lowkeyd status` takes, as a whole process, with a large library.

    uv run python benchmarks/status.py

Exit code 1 when it takes half a second or longer, or loads torch.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lowkeyd.model import Delivery, FaceVerdict, Photo, Publication, Score, Signature, Stage, Verdict, Visibility
from lowkeyd.store import location
from lowkeyd.store.judgement import Judgement, verdict_json
from lowkeyd.store.queue import Queue
from tests.helpers.home import REAL, REPOSITORY, Home, environment

BAR_S = 0.5


def main() -> int:
    """Run. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=11)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home", REAL)
        _fill(home, chosen.photos)
        size_mb = location.database(home.state).stat().st_size / 1e6
        told = json.loads(home.call("status", "--json").stdout)
        print(f"{chosen.photos:,} photos, database of {size_mb:.0f} MB: {told['counts']}")
        print(f"{'library':24}{'command':18}{'median s':>10}{'worst s':>10}")
        slow = 0
        for library, state in {"nine tenths done": None, "all waiting": "waiting", "all failed": "failed"}.items():
            _put_all(home, state)
            for arguments in (["status"], ["status", "--json"]):
                seconds = [_time(home, arguments) for _ in range(chosen.runs)]
                slow += statistics.median(seconds) >= BAR_S
                print(f"{library:24}{' '.join(arguments):18}{statistics.median(seconds):10.3f}{max(seconds):10.3f}")
        heavy = _loaded(home) & {"torch", "PIL", "sqlalchemy"}
        print(f"heavy libraries loaded: {', '.join(sorted(heavy)) or 'none'}")
    return 1 if slow or heavy else 0


def _fill(home: Home, count: int) -> None:
    """A library of which nine tenths are done, and the rest stands everywhere else."""
    now = time.time()
    with Queue(location.database(home.state)) as photos:
        named = [Photo("inbox", b"album %d/%06d.jpg" % (n // 200, n), Signature(1000 + n, n)) for n in range(count)]
        photos.offer(named, now)
        jobs = photos.claim(200, now)
        for job in jobs[:50]:
            photos.fail(job, Stage.DECODE, "is no picture", "Restore it from a backup.", now)
        for job in jobs[50:100]:
            photos.wait(job, Stage.PUBLISH, "the outbox is full", "Make room.", now + 60, now, counted=False)
        for job in jobs[100:150]:
            photos.no_face(job, now)
        first = jobs[150]
        photos.publishing(first, Publication(first.id, b"t", Delivery(b"inbox/a.jpg", "0" * 64)), _judgement(), now)
        photos.done(first.id, now)
        with photos.transaction() as connection:  # the rest by the thousand: one by one it would take minutes
            connection.exec_driver_sql(
                """UPDATE photo SET state = 'done', delivery_path = path, (verdict, strength, fingerprint, seconds) =
                (SELECT verdict, strength, fingerprint, seconds FROM photo WHERE state = 'done')
                WHERE state = 'ready' AND id % 10 != 0"""
            )
        photos.beat(1, now, now, {"workers": [], "settling": 0, "scanned_at": now})


def _put_all(home: Home, state: str | None) -> None:
    """As when the outbox is gone, or a setting was wrong: the newest have to be picked from all."""
    if state is not None:
        with Queue(location.database(home.state)) as photos, photos.transaction() as connection:
            connection.exec_driver_sql("UPDATE photo SET state = ?, stage = 'publish', reason = 'as it is'", (state,))


def _judgement() -> Judgement:
    score = Score("dlib", True, 0.6, 0.0, after=0.9, shared=0.85, similarity_before=1.0, similarity_after=0.2)
    face = FaceVerdict((1.0, 2.0, 3.0, 4.0), True, (score, score), Visibility(0.01, 40.0, 0.99, 0.5))
    return Judgement(verdict_json(Verdict((face, face), "balanced")), "protected", "0" * 16, 3.5)


def _time(home: Home, arguments: list[str]) -> float:
    started = time.monotonic()
    result = home.call(*arguments)
    assert result.returncode == 0, result.stderr
    return time.monotonic() - started


def _loaded(home: Home) -> set[str]:
    program = (
        "import sys; from lowkeyd.cli import app; app(['status', '--config', sys.argv[1]], standalone_mode=False);"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(home.config)],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return set(result.stderr.split())


if __name__ == "__main__":
    sys.exit(main())
