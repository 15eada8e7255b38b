"""Runs a function of the tests where root is only root of its own mounts and limits.

For `python -m tests.helpers.namespace MODULE FUNCTION FOLDER`, inside of `unshare`.
"""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.home import PATIENCE_S, REPOSITORY, environment

SKIP = 77
APART = ("unshare", "--user", "--map-root-user", "--mount")
"""Before a command: in user and mount namespaces of its own."""


def shell(script: str) -> "subprocess.CompletedProcess[str]":
    """What a shell says that runs it there."""
    return subprocess.run(
        [*APART, "sh", "-c", script],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


class NotPossible(Exception):
    """This kernel, or what confines us, does not allow the sabotage."""


def run(scenario: Callable[[Path], None], folder: Path) -> None:
    """Run it in namespaces of its own. Fails as it fails, and skips where it is not possible."""
    command = [sys.executable, "-m", "tests.helpers.namespace", scenario.__module__, scenario.__name__, str(folder)]
    result = subprocess.run(
        [*APART, *command],
        cwd=REPOSITORY,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
    if result.returncode == SKIP:
        pytest.skip(result.stderr.splitlines()[-1])
    assert result.returncode == 0, result.stdout + result.stderr


def mount(*arguments: str | Path) -> None:
    _do("mount", *arguments)


def unmount(folder: Path) -> None:
    """As when a cable is pulled: whoever is in it may stay for a while."""
    _do("umount", "--lazy", folder)


def _do(*command: str | Path) -> None:
    result = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if result.returncode:
        raise NotPossible(result.stderr.strip())


def limit(name: str, value: int) -> None:
    """A limit of this user namespace alone. Never one below `fs.`, which is the whole machine's."""
    path = Path("/proc/sys/user") / name
    try:
        path.write_text(str(value))
    except OSError as error:
        raise NotPossible(f"{path}: {error.strerror}") from error


if __name__ == "__main__":
    module, function, place = sys.argv[1:]
    try:
        getattr(importlib.import_module(module), function)(Path(place))
    except NotPossible as error:
        sys.stderr.write(f"not possible here: {error}\n")
        sys.exit(SKIP)
