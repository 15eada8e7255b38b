"""`requirements.txt`, for those who install with pip alone, is what the lock says."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_requirement_is_the_locked_version() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    locked = {f"{package['name']}=={package['version']}" for package in lock["package"] if "version" in package}
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    named = {re.split(r"\s*;", line)[0].strip() for line in lines}
    assert named - locked == set()


def test_nothing_that_the_package_needs_is_missing() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.split(r"[<>=!~\[ ;]", requirement)[0] for requirement in project["dependencies"]}
    named = {line.partition("==")[0] for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()}
    assert needed - named == set()
