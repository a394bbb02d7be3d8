"""Thousands of damaged records, results and configurations: each is read, or refused by an error that has a type."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import random
import string
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.compare import compare
from orchestrator.config.stored import read
from orchestrator.errors import ConfigError, MeasurementError, OrchestratorError
from orchestrator.measurement import measure
from orchestrator.provisioning.survey import parse
from orchestrator.result import RESULT_FILE, SWEEP_FILE, load_sweep
from orchestrator.session import Left
from remote import contract
from tests.config.test_stored import stored
from tests.measurement.records import MANIFEST, PI4_POWER, make_record, make_result, make_sweep
from tests.provisioning.test_survey import GOOD
from tests.remote.test_contract import JOB

INPUTS = int(os.environ.get("FUZZ_INPUTS", "1000"))
"""'make soak' has 10 000."""
STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, -(2**63), 10**400, 0.5, -0.0, 1e308, -1e308, 5e-324),
    *("", "x", "x" * 5000, "\0", "\x1b[2J", "\u202e", "\ud800", "../../etc/passwd", "=1+1", "<script>", "NaN", "1e999"),
    *([], {}, [[]], [None], {"": None}, [0] * 1000, {"a": {"b": {"c": []}}}),
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a tree of JSON; of long lists some."""
    found = [path] if path else []
    items = node.items() if isinstance(node, dict) else enumerate(node[:3]) if isinstance(node, list) else ()
    for key, value in items:
        found += places(value, (*path, key))
    return found


def damaged(whole: Any, chance: random.Random) -> Any:
    """One to three places of a tree are replaced, left out, or doubled."""
    tree = copy.deepcopy(whole)
    for _ in range(chance.randint(1, 3)):
        *way, last = chance.choice(places(tree))
        node = tree
        for key in way:
            node = node[key]
        match chance.randrange(4):
            case 0 | 1:
                node[last] = copy.deepcopy(chance.choice(STRANGE))
            case 2 if isinstance(node, dict):
                del node[last]
            case 3 if isinstance(node, dict):
                node["".join(chance.choices(string.ascii_letters, k=4))] = copy.deepcopy(node[last])
            case _:
                node.append(copy.deepcopy(chance.choice(STRANGE))) if isinstance(node, list) else node.pop(last)
        if not places(tree):
            break
    return tree


def torn(raw: bytes, chance: random.Random) -> bytes:
    """Bytes are changed, cut off, doubled or put in."""
    data = bytearray(raw)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) or 1)
        match chance.randrange(4):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                del data[at:]
            case 2:
                data[at:at] = data[at : at + chance.randrange(40)]
            case 3:
                data[at:at] = chance.choice((b"[", b"{", b'"', b"\\u", b"1e", b"-", b"\xff\xfe", b"[" * 3000))
    return bytes(data)


def test_records(tmp_path: Path) -> None:
    """What passes the reader is measured, or refused as a record that makes no sense."""
    chance, whole = random.Random(1), make_record(10.0, processes=2, runs=12)
    raw = json.dumps(whole).encode()
    came: Counter[str] = Counter()
    for number in range(INPUTS):
        data = torn(raw, chance) if number % 2 else dumped(damaged(whole, chance))
        try:
            record = contract.parse_record(data)
        except contract.ContractError:
            came["refused"] += 1
            continue
        try:
            measure(record, manifest=MANIFEST, power=PI4_POWER, cores=4)
            came["measured"] += 1
        except MeasurementError:
            came["makes no sense"] += 1
    assert came["refused"] > INPUTS / 3 and came["measured"] > 15, came


def dumped(tree: Any) -> bytes:
    return json.dumps(tree).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    ("reader", "whole", "typed"),
    [
        (contract.check_job, None, contract.ContractError),
        (parse, GOOD, (LookupError, TypeError, ValueError)),
        (Left.parsed, {"run_id": "a-1", "status": "done", "runtime": "litert", "first": 1, "deadline_s": 9.0,
                       "artifact": {"sha256": "a" * 64}, "env": None}, ()),
    ],
    ids=["jobs", "facts", "jobs that wait"],
)  # fmt: skip
def test_what_a_board_and_a_controller_say(reader: Callable[[Any], Any], whole: Any, typed: Any) -> None:
    chance, whole = random.Random(2), JOB if whole is None else whole
    for _ in range(INPUTS):
        with contextlib.suppress(*(typed if isinstance(typed, tuple) else (typed,))):
            reader(json.loads(dumped(damaged(whole, chance)).decode("utf-8", "surrogatepass")))


def test_stored_results(tmp_path: Path) -> None:
    """A folder that somebody has worked on by hand, or that a disk has damaged."""
    chance = random.Random(3)
    make_result(tmp_path, 0, 10.0)
    sweep = make_sweep(tmp_path)
    sweep.write(tmp_path)
    paths = [tmp_path / SWEEP_FILE, next(tmp_path.glob(f"*/{RESULT_FILE}"))]
    whole = [path.read_bytes() for path in paths]
    came: Counter[str] = Counter()
    for number in range(INPUTS // 4):
        for path, raw in zip(paths, whole, strict=True):
            path.write_bytes(torn(raw, chance) if number % 2 else dumped(damaged(json.loads(raw), chance)))
        try:
            load_sweep(tmp_path)
            came["read"] += 1
        except OrchestratorError:
            came["refused"] += 1
    assert came["refused"] > 10 and came["read"] > 10, came
    for path, raw in zip(paths, whole, strict=True):
        path.write_bytes(raw)
    assert compare(*load_sweep(tmp_path)).frame is not None


def test_stored_configurations(tmp_path: Path) -> None:
    chance, whole = random.Random(4), yaml.safe_load((stored(tmp_path) / "config.yaml").read_text())
    path, text = tmp_path / "damaged.yaml", yaml.safe_dump(whole)
    came: Counter[str] = Counter()
    for number in range(INPUTS):
        path.write_bytes(
            torn(text.encode(), chance) if number % 2 else yaml.safe_dump(clean(damaged(whole, chance))).encode()
        )
        try:
            read(path)
            came["read"] += 1
        except ConfigError:
            came["refused"] += 1
    assert came["refused"] > 100, came


def clean(tree: Any) -> Any:
    """Without what YAML has no word for."""
    return json.loads(json.dumps(tree).replace("\\ud800", "?"))
