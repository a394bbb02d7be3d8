"""Engines: what TensorRT makes of a model for one GPU, built on the board once and kept in ``<workdir>/engines``.

``runtime.options``: ``fp16`` (true or false), ``workspace`` (MiB),
``dla`` (number of the core; what it does not take goes to the GPU). An engine is written under another name and then
renamed, so that one that is there is whole; a build that outlasts the job's deadline dies with the job.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from contextlib import suppress
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from remote.files import read_json, write_json
from remote.process import command
from remote.schema import clean

TRTEXEC = "/usr/src/tensorrt/bin/trtexec"
"""Where JetPack and NVIDIA's packages have it."""
_FLAGS = ("fp16",)
_NUMBERS = ("workspace", "dla")
_PART = ".part-"
_TAIL = 1500  # characters of trtexec's last words


class EngineFailed(Exception):
    """No engine came of a model, or its options make no sense; the message says why."""


class Wanted(NamedTuple):
    """The options, checked."""

    fp16: bool
    int8: bool
    workspace_mib: Optional[int]
    dla: Optional[int]


class Engine(NamedTuple):
    """A file with an engine, and what the record says of it."""

    path: str
    told: Dict[str, Any]


def wanted(options: Dict[str, str], version: str, model: str) -> Wanted:
    """``int8`` follows from the ``model``: without it a builder before TensorRT 11 refuses one with Q/DQ nodes, and
    with it makes up ranges for one that has none.

    Raises :class:`EngineFailed` for an option that there is not, or not in this version of TensorRT.
    """
    if unknown := sorted(set(options) - {*_FLAGS, *_NUMBERS}):
        raise EngineFailed(
            "runtime.options.%s: TensorRT's options are %s" % (unknown[0], ", ".join((*_FLAGS, *_NUMBERS)))
        )
    fp16 = _flag("fp16", options.get("fp16", "false"))
    if fp16 and parsed(version) >= (11, 0):
        raise EngineFailed("runtime.options.fp16: TensorRT %s takes the precision from the model alone" % version)
    numbers = [_number(name, options[name]) if name in options else None for name in _NUMBERS]
    return Wanted(fp16, _is_quantized(model), numbers[0], numbers[1])


def _is_quantized(model: str) -> bool:
    """Whether an ONNX file has Q/DQ nodes: their type stands in it as it is written."""
    with open(model, "rb") as stream:
        return b"QuantizeLinear" in stream.read()


def _flag(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise EngineFailed("runtime.options.%s is %r, and must be true or false" % (name, text))
    return text.lower() in ("true", "1")


def _number(name: str, text: str) -> int:
    if not text.isdigit():
        raise EngineFailed("runtime.options.%s is %r, and must be a number" % (name, text))
    return int(text)


def parsed(version: str) -> Tuple[int, int]:
    """(8, 5) of 8.5.2.2."""
    words = (version.split(".") + ["0", "0"])[:2]
    return (int(words[0]), int(words[1])) if all(word.isdigit() for word in words) else (0, 0)


def key(device: str, capability: str, version: str, artifact: str, want: Wanted) -> str:
    """What an engine is good for and nothing else: the GPU, TensorRT, the model's content, the options."""
    content = [device, capability, version, os.path.basename(artifact), want._asdict()]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def found_or_built(workdir: str, name: str, build: Callable[[str], None]) -> Engine:
    """The engine of that key. ``build`` is given a path to write one to."""
    folder = os.path.join(workdir, "engines")
    path, facts = os.path.join(folder, name + ".engine"), os.path.join(folder, name + ".json")
    known = read_json(facts) if os.path.exists(path) else None
    if isinstance(known, dict) and isinstance(known.get("build_ns"), int):
        with suppress(OSError):
            os.utime(path)  # what was used least lately makes room
        return Engine(path, _told(name, True, known["build_ns"], path))
    os.makedirs(folder, exist_ok=True)
    for left in os.listdir(folder):  # by a build that was stopped; there is one job at a time on a board
        if left.startswith(_PART):
            with suppress(OSError):
                os.remove(os.path.join(folder, left))
    part = os.path.join(folder, _PART + name)
    begin = time.perf_counter_ns()
    build(part)
    build_ns = time.perf_counter_ns() - begin
    if not os.path.exists(part) or not os.path.getsize(part):
        raise EngineFailed("the build said nothing and left no engine")
    write_json(facts, {"build_ns": build_ns})
    os.replace(part, path)
    return Engine(path, _told(name, False, build_ns, path))


def _told(name: str, cached: bool, build_ns: int, path: str) -> Dict[str, Any]:
    return {"key": name, "cached": cached, "build_ns": build_ns, "size_bytes": os.path.getsize(path)}


def trtexec() -> Optional[str]:
    """The builder's program; None where the board has none."""
    return TRTEXEC if os.access(TRTEXEC, os.X_OK) else command("trtexec")


def trtexec_command(program: str, model: str, target: str, want: Wanted, version: str) -> List[str]:
    """As that version of trtexec spells it."""
    spelled = parsed(version)
    words = [program, "--onnx=" + model, "--saveEngine=" + target]
    words.append("--skipInference" if spelled >= (8, 6) else "--buildOnly")
    words += ["--fp16"] if want.fp16 else []
    words += ["--int8"] if want.int8 and spelled < (11, 0) else []  # later ones go by the model's Q/DQ nodes alone
    if want.workspace_mib is not None:
        pool = "--memPoolSize=workspace:%d" if spelled >= (8, 4) else "--workspace=%d"
        words.append(pool % want.workspace_mib)
    words += ["--useDLACore=%d" % want.dla, "--allowGPUFallback"] if want.dla is not None else []
    return words


def run_trtexec(words: List[str]) -> None:
    """Build; what it says goes to the job's log. Raises :class:`EngineFailed` with the last of it."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    with suppress(OSError):
        os.write(2, done.stdout)
    if done.returncode:
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        telling = [line for line in lines if "[E]" in line] or lines
        why = clean(" ".join(" ".join(telling[-8:]).split()), 4000)[-_TAIL:]
        raise EngineFailed("trtexec ended with exit status %d: %s" % (done.returncode, why or "it said nothing"))
