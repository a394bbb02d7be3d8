"""Imports point downward only, and the heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = (
    {"whoami", "errors", "limits", "cell", "device", "artifact", "measurement", "stats", "verdict", "result"}
    | {"redact", "plain", "alive", "energy", "sheet", "declared", "guess", "history", "lab", "metrics", "words"}
    | {
        "agreement",
        "energy_agreement",
        "energy_ratio",
        "conditions",
        "samples",
        "sanity",
        "optimization",
        "evaluation",
        "gates",
        "quality",
        "unattended",
        "controls",
        "lines",
        "night",
        "regression",
        "health",
        "web",
    },
    {"config", "connection", "builder", "meters", "switches", "provisioning", "tracking", "compare", "report"}
    | {"morning"},
    {"session"},
    {"checkup"},
    {"fleet"},
    {"__main__", "app", "invocation", "ending", "console", "signals", "about", "verbs", "catalogue", "boards", "resume"}
    | {
        "doctor",
        "instruments",
        "matrix",
        "adaptive",
        "study",
        "preview",
        "stock",
        "reproduce",
        "stored_cell",
        "calibrate",
        "power",
        "nightly",
        "wards",
        "gatekeeper",
        "flights",
        "statuses",
        "returned",
        "cache",
        "lab_verbs",
        "composed",
        "parser",
    },
)
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
ALLOWED_SIDEWAYS = {("report", "compare"), ("morning", "report")}  # both are made of the same paper
FREE_LEVELS = (0, len(LAYERS) - 1)  # nouns may use nouns; the composition root is one room in several files


def imports(path: Path) -> set[str]:
    """Full names of the modules a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def room_of(module: str) -> str | None:
    words = module.split(".")
    return words[1] if words[0] == "orchestrator" and len(words) > 1 and words[1] in LEVEL else None


def sources() -> list[Path]:
    return sorted((ROOT / "orchestrator").rglob("*.py"))


def test_every_room_has_a_layer() -> None:
    rooms = {p.relative_to(ROOT / "orchestrator").parts[0].removesuffix(".py") for p in sources()}
    assert rooms - {"__init__"} == set(LEVEL)


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downward(path: Path) -> None:
    own = path.relative_to(ROOT / "orchestrator").parts[0].removesuffix(".py")
    for module in imports(path):
        room = room_of(module)
        if own == "__init__" or room is None or room == own or (own, room) in ALLOWED_SIDEWAYS:
            continue
        below = LEVEL[room] < LEVEL[own] or (LEVEL[room] == LEVEL[own] and LEVEL[own] in FREE_LEVELS)
        assert below, f"{path.name} of {own} imports {module}"


def test_the_board_program_never_imports_the_controller() -> None:
    for path in (ROOT / "remote").rglob("*.py"):
        assert not any(name.split(".")[0] == "orchestrator" for name in imports(path)), path


def test_tensorflow_is_imported_in_the_builder_only() -> None:
    for path in sources():
        if any(name.split(".")[0] in ("tensorflow", "keras") for name in imports(path)):
            assert path.relative_to(ROOT / "orchestrator").parts[0] == "builder", path


def test_starting_up_loads_nothing_heavy() -> None:
    """Planning never waits for TensorFlow, MLflow, pandas, SciPy or Matplotlib."""
    code = (
        "import sys, orchestrator.invocation, orchestrator.app\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'pandas', 'scipy', 'matplotlib', 'sklearn', 'asyncssh'}\n"
        "heavy |= {'optuna', 'onnx', 'onnxruntime'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
