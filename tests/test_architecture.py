"""The map in the README stays true: who may import whom, which room owns which library, how long things may get.

Imports inside functions count like any other.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lowkeyd"

FLOORS = (
    {"__main__"},
    {"cli", "daemon"},
    {"chores", "reload"},
    {"monitor"},
    {"wishes"},
    {"work", "evaluation"},
    {"intake", "worker"},
    {"folders", "store", "imaging", "attack"},
    {"config", "errors", "machine", "model"},
)
"""From the roof down; a room imports from floors below its own. `lowkeyd/__init__.py` is open to all."""

GROUND_FLOOR = FLOORS[-1]
"""The nouns know each other: errors name stages, the configuration raises errors."""

OWNERS = {
    "watchdog": "folders",
    "sqlalchemy": "store",
    "sqlite3": "store",
    "PIL": "imaging",
    "pillow_heif": "imaging",
    "torch": "attack",
    "torchvision": "attack",
    "lpips": "attack",
    "facenet_pytorch": "attack",
    "onnx": "attack",
    "onnx2torch": "attack",
    "pynvml": "machine",
    "pydantic": "config",
    "apscheduler": "daemon",
    "typer": "cli",
    "rich": "cli",
}

HEAVY = ("torch", "torchvision", "lpips", "facenet_pytorch", "onnx", "PIL")
"""Only the worker child may load these: the daemon starts fast, stays small and never decodes a stranger's bytes."""

MODULE_LINES = 400
FUNCTION_LINES = 60


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(module: Path) -> str:
    return str(module.relative_to(PACKAGE))


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def imports(module: Path) -> Iterator[str]:
    """Dotted names of what is imported anywhere in the module, `from a import b` as `a.b`."""
    for node in ast.walk(parsed(module)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=source):
                assert node.level == 0, f"{name_of(module)}:{node.lineno}: relative import"
                yield from (f"{source}.{alias.name}" for alias in node.names)


def rooms_used(module: Path) -> set[str]:
    ours = (name.split(".") for name in imports(module) if name.startswith("lowkeyd."))
    return {parts[1] for parts in ours} & set().union(*FLOORS)


def floor_of(room: str) -> int:
    return next(number for number, floor in enumerate(FLOORS) if room in floor)


@pytest.mark.parametrize("module", modules(), ids=name_of)
def test_imports_point_down(module: Path) -> None:
    room = room_of(module)
    if room == "__init__":
        assert rooms_used(module) == set()
        return
    upward = {
        used
        for used in rooms_used(module) - {room}
        if floor_of(used) <= floor_of(room) and not (used in GROUND_FLOOR and room in GROUND_FLOOR)
    }
    # `python -m lowkeyd` and the command `run` are the doors through which the daemon is started.
    assert upward - ({"daemon"} if room == "cli" else set()) == set()


@pytest.mark.parametrize("module", modules(), ids=name_of)
def test_each_library_has_one_owner(module: Path) -> None:
    libraries = {name.split(".")[0] for name in imports(module)}
    assert {library for library in libraries if OWNERS.get(library, room_of(module)) != room_of(module)} == set()


def test_every_room_stands_on_a_floor() -> None:
    assert {room_of(module) for module in modules()} - {"__init__"} <= set().union(*FLOORS)


@pytest.mark.parametrize("module", modules(), ids=name_of)
def test_modules_say_why_they_exist_and_stay_short(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MODULE_LINES
    assert ast.get_docstring(parsed(module)) or not text.strip()


@pytest.mark.parametrize("module", modules(), ids=name_of)
def test_functions_stay_short(module: Path) -> None:
    functions = (node for node in ast.walk(parsed(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES} == {}


@pytest.mark.parametrize("module", ["lowkeyd.daemon", "lowkeyd.cli"])
def test_the_daemon_and_the_command_line_load_nothing_heavy(module: str) -> None:
    program = f"import {module}, sys; print(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert set(HEAVY) & set(result.stdout.split()) == set()
