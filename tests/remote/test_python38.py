"""The oldest Python of a board: by grammar for every file, and for real where there is one."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from remote import bundle, contract
from tests.remote.boards import Board, install, old_python

SOURCES = sorted(path for path in Path(bundle.__file__).parent.rglob("*.py") if path.name != "bundle.py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_every_file_is_python_3_8(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    needs = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AnnAssign))]
    if path.name != "facts.py" and needs:  # dict[str, int] fails on 3.8 when it is evaluated
        assert imports, "from __future__ import annotations is missing"


def test_nothing_of_the_controller_is_in_the_program(program: Path, tmp_path: Path) -> None:
    assert b"import orchestrator" not in program.read_bytes()
    assert b"from orchestrator" not in program.read_bytes()
    digest = bundle.write(tmp_path / "again.pyz")
    assert digest == hashlib.sha256(program.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "module", ["attach", "supervise", "server", "benchmark", "worker", "profile", "sampler", "energy"]
)
def test_real_3_8_imports_every_module(program: Path, module: str) -> None:
    code = f"import sys; sys.path.insert(0, {str(program)!r}); import remote.{module}"
    subprocess.run([str(old_python("3.8")), "-I", "-S", "-c", code], check=True)


def test_real_3_8_measures_with_tflite_runtime(tmp_path: Path, program: Path) -> None:
    """The oldest that a board can have: Python 3.8 with tflite-runtime, through attach and supervise."""
    python = str(old_python("3.8"))
    own = tmp_path / "program.pyz"
    shutil.copy(program, own)
    board = Board(tmp_path / "workdir", own, python)
    install(board.workdir / "envs" / ("e" * 16), python, "tflite-runtime==2.14.0", "numpy<2")
    try:
        client = board.attach()
        job = board.job(runtime="tflite_runtime", xnnpack="require", profile_runs=2)
        client.ask("start", job=job)
        assert client.follow(job["run_id"])[-1]["event"]["status"] == "done"
        record = contract.parse_record((board.workdir / "jobs" / job["run_id"] / "record.json").read_bytes())
        assert record["runtime"]["python"].startswith("3.8.")
        assert record["runtime"]["delegate"]["delegated_nodes"] == 5
        assert record["profile"] is None and "runtime=litert has one" in record["profile_reason"]
        assert client.ask("release")["ok"] == {}
    finally:
        board.close()


def test_the_program_explains_itself(program: Path) -> None:
    done = subprocess.run([str(old_python("3.8")), "-I", "-S", str(program)], capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage" in done.stderr
    assert json.dumps(done.stdout) == '""'
