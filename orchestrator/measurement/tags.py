"""The words that go with the numbers, and what is known of the artifact and its delegate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from orchestrator.measurement.parts import Json, seen
from orchestrator.measurement.state import tuning_words
from orchestrator.sheet import Sheet

BOARD_FACTS = (
    *("device_tree_model", "cpu_model", "arch", "bits", "cores", "memory_bytes", "os", "kernel", "libc", "hostname"),
    *("python_implementation", "governor", "tags"),
    *("power_mode", "isolated_cpus", "firmware", "serial"),
)
"""What is kept of a board's facts as ``board.*`` tags."""

ACCELERATORS: Mapping[str | None, str] = {
    **dict.fromkeys((None, "XNNPACK", "XnnpackExecutionProvider"), "CPU"),
    **dict.fromkeys(("CUDAExecutionProvider", "TensorrtExecutionProvider", "TensorRT"), "GPU"),
    **dict.fromkeys(("LiteRT GPU", "OpenVINO GPU", "TensorFlow GPU"), "GPU"),
    "OpenVINO NPU": "NPU",
    "Edge TPU": "TPU",
}
"""What a delegate computes on, by its name; one that is not here says where in the record's ``processor``, or is a
library of the user's own and stands for itself."""


def model(sheet: Sheet, manifest: Json) -> None:
    names = {
        "model/size_bytes": "size_bytes",
        "model/gzip_bytes": "gzip_bytes",
        "model/macs": "macs",
        "model/params": "parameters",
        "model/sparsity": "sparsity",
    }
    for metric, key in names.items():
        value = manifest.get(key)
        number = float(value) if isinstance(value, int | float) else None
        sheet.put(metric, number, manifest.get(f"{key}_reason") or f"the artifact's manifest has no {key}")


def delegate(sheet: Sheet, runtime: Json) -> None:
    delegate = runtime["delegate"]
    nodes, share = delegate["nodes"], delegate["delegated_nodes"]
    reason = delegate["reason"] or f"the runtime does not tell (delegate {delegate['state']})"
    sheet.put("delegate/share", share / nodes if nodes and share is not None else None, reason)
    sheet.put("delegate/partitions", delegate["partitions"], reason)


def tags_of(sheet: Sheet, record: Json, manifest: Json, facts: Mapping[str, object]) -> None:
    runtime, delegate = record["runtime"], record["runtime"]["delegate"]
    name = delegate["name"]
    tags: dict[str, object] = {
        "runtime.name": runtime["name"],
        "runtime.version": runtime["version"],
        "runtime.numpy": runtime["numpy"],
        "runtime.pillow": runtime["pillow"],
        "runtime.python": _words(runtime["python"]),
        "runtime.threads": runtime["threads"],
        "delegate": name or "none",
        "delegate.state": delegate["state"],
        "delegate.requested": delegate["requested"],
        "delegate.nodes": f"{delegate['delegated_nodes']}/{delegate['nodes']}" if _told(delegate) else None,
        "delegate.reason": delegate["reason"],
        "runtime.processor": runtime["processor"],
        "accelerator": accelerator(runtime),
        **_engine(runtime["engine"]),
        "artifact.sha256": record["artifact_sha256"],
        "artifact.calibration": _calibration(manifest.get("calibration")),
        "artifact.notes": "; ".join(manifest.get("notes") or ()),
        "optimization.steps": ", ".join((manifest.get("recipe") or {}).get("steps") or ()),
        "weights": manifest.get("weights"),
        **_profile(record),
        "boot_id": record.get("boot_id"),
        **{f"board.{key}": _words(facts.get(key)) for key in BOARD_FACTS},
    }
    governors = sorted(set(seen(record["state"], "governor")))
    tags["state.governor"] = ", ".join(governors) or None
    tags["state.cpus"] = " or ".join(dict.fromkeys(cpu_list(one["cpus"]) for one in record["processes"] if one["cpus"]))
    tags["state.tuning"] = tuning_words(record["state"])
    for one in record["state"]["tuning"]:
        if one["setting"] == "power_mode":  # the facts are older than it
            tags["board.power_mode"] = one["now"]
    sheet.tags.update({key: str(value) for key, value in tags.items() if value not in (None, "")})


def accelerator(runtime: Json) -> str | None:
    """CPU, GPU, NPU, TPU; else the delegate's own name."""
    name, processor = runtime["delegate"]["name"], runtime["processor"] or ""
    if name in ACCELERATORS:
        dla = " DLA " in processor  # of a Jetson, which TensorRT takes instead of its GPU
        return "DLA" if dla else ACCELERATORS[name]
    found = re.fullmatch(r"OpenVINO (CPU|GPU|NPU)\b.*", processor)  # which of them it is, an option says
    return found[1] if found else str(name)


def _engine(engine: Json | None) -> dict[str, str]:
    """What was compiled on the board, and how long that took."""
    if engine is None:
        return {}
    built = "before" if engine["cached"] else "in this run"
    return {"engine.key": engine["key"], "engine.built": f"{built}, in {engine['build_ns'] / 1e9:.1f} s"}


def cpu_list(cpus: Iterable[int]) -> str:
    """``0-3`` or ``2,3``: as the kernel writes it, but for two neighbours."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1].append(cpu)
        else:
            runs.append([cpu])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def _profile(record: Json) -> dict[str, str | None]:
    """Which tool timed the operators; where one was asked for and there is no profile, why."""
    profile, why = record.get("profile"), record.get("profile_reason") or ""
    asked = bool(why) and not why.startswith("not asked for")
    return {"profile.tool": profile["tool"] if profile else None, "profile.reason": why if asked else None}


def _told(delegate: Json) -> bool:
    return delegate["nodes"] is not None and delegate["delegated_nodes"] is not None


def _calibration(calibration: Json | None) -> str | None:
    """On what integer quantization has chosen its ranges."""
    return f"{calibration['samples']} samples: {calibration['source']}" if calibration else None


def _words(value: object) -> str | None:
    if isinstance(value, list | tuple):
        return (" " if value and isinstance(value[0], str) else ".").join(str(v) for v in value)
    return None if value is None else str(value)
