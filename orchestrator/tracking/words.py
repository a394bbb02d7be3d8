"""A result in MLflow's terms: params, metrics, tags and the Markdown note, within its limits. Pure."""

from __future__ import annotations

import math
import re

from orchestrator.cell import AXES
from orchestrator.gates import Gates
from orchestrator.result import FAILED, Result, Sweep

TAG_LIMIT = 4500  # the servers allow 5000 to 8000 and cut silently beyond; this one says that it cut
NAME_LIMIT = 250


def name_of(text: str) -> str:
    """A key that MLflow accepts: ASCII letters, digits, ``_-. :/`` and neither leading, trailing nor double slashes."""
    clean = re.sub(r"/{2,}", "/", re.sub(r"[^A-Za-z0-9_\-. :/]", "_", text)).strip("/")
    return re.sub(r"\.{2,}", ".", clean)[:NAME_LIMIT] or "_"


def value_of(text: str, limit: int = TAG_LIMIT, whole: str = "result.json") -> str:
    """Text cut to what a tag holds; a cut is said at its end. ``whole``: the file that has all of it."""
    if len(text) <= limit:
        return text
    note = f" ... [cut, {len(text)} characters; whole in {whole}]"
    return text[: limit - len(note)] + note


def params(result: Result) -> dict[str, str]:
    """The coordinates of the cell, as they turned out, and no more."""
    told = result.measurement.tags if result.measurement else {}
    found = {axis: result.axes[axis] for axis in AXES if axis in result.axes}
    found["runtime"] = told.get("runtime.name", found.get("runtime", ""))
    found |= {key: told[key] for key in ("delegate", "accelerator") if key in told}
    if result.board:
        found["board"] = result.board
    return {name_of(key): value_of(value, 500) for key, value in found.items() if value}


def metrics(result: Result) -> dict[str, float]:
    """Finite numbers only: MLflow turns an infinity into 1.8e308 and stores NaN."""
    if result.measurement is None:
        return {}
    return {name_of(key): value for key, value in result.measurement.metrics.items() if math.isfinite(value)}


def cell_tags(result: Result) -> dict[str, str]:
    """What vouches for the numbers, and what identifies the cell."""
    tags: dict[str, str | None] = {
        **identity(result),
        "cell.status": result.status,
        "cell.reason": result.reason,
        "warnings": "; ".join(result.warnings) or None,
        "mlflow.runName": result.short,
        "mlflow.note.content": note(result),
    }
    if result.measurement:
        m = result.measurement
        tags |= m.tags
        tags["measurement.warnings"] = "; ".join(m.warnings) or None
        tags["energy.reason"] = m.missing.get("energy/per_inference_mj")
    if result.error:
        tags |= {
            "error.type": result.error.type,
            "error.message": result.error.message,
            "error.hint": result.error.hint,
        }
    return {name_of(key): value_of(value) for key, value in tags.items() if value}


def identity(result: Result) -> dict[str, str]:
    """The tags that tell one attempt at one cell of one sweep from all others."""
    return {
        "sweep.id": result.sweep_id,
        "sweep.role": "cell",
        "cell.id": result.cell_id,
        "cell.number": str(result.number),
        "cell.started": f"{result.started_s:.3f}",
    }


def sweep_tags(sweep: Sweep) -> dict[str, str]:
    tags = {
        **{f"controller.{key}": value for key, value in sweep.facts.items()},
        "sweep.id": sweep.id,
        "sweep.role": "sweep",
        "sweep.command": sweep.command,
        "sweep.baseline": sweep.baseline,
        "sweep.battery": sweep.battery,
        "sweep.directory": sweep.directory.name,
        "sweep.limits": Gates.from_json(sweep.gates).words,
        "mlflow.runName": sweep.id,
    }
    return {name_of(key): value_of(value) for key, value in tags.items() if value}


def recommended_tags(sweep: Sweep) -> dict[str, str]:
    """What to take, known only at the end: ``recommended.pi4 digits``."""
    told = {f"recommended.{about.replace(', ', ' ')}": text for about, text in sweep.recommended.items()}
    return {name_of(key): value_of(text, whole="comparison.md") for key, text in told.items()}


def note(result: Result) -> str:
    """A summary for the run's page."""
    if result.measurement is None:
        lines = [f"**{result.status}**: {_plain(result.why)}"]
        if result.status == FAILED:
            lines.append("The log is among the artifacts (`log.txt`).")
        return "\n\n".join(lines)
    m = result.measurement
    latency = f"**{m.metrics['latency/median_ms']:.4g} ms**"
    if interval := m.uncertainty.get("latency/median_ms"):
        latency += f" (95 % interval {interval.low:.4g} to {interval.high:.4g} ms, {interval.n} processes)"
    lines = [f"Median latency {latency}", f"Verdict **{m.verdict.level}**", *(f"- {r}" for r in m.verdict.reasons)]
    lines.append(_energy(m.metrics, m.tags, m.missing))
    lines += [f"- {_plain(w)}" for w in (*m.warnings, *result.warnings)]
    return "\n\n".join(lines)


def sweep_note(sweep: Sweep, skipped: list[Result], comparison: str, morning: str = "") -> str:
    """The sweep's page, which shows a few lines before it folds: of a night what it came to, else the comparison, and
    what was asked for last.
    """
    command = [f"`{sweep.command}`"] if sweep.command else []
    if morning:
        return value_of("\n\n".join([morning.rstrip(), *command]), whole="morning.md")
    lines = []
    if comparison:  # its title is the page's already
        room = TAG_LIMIT - sum(len(text) + 2 for text in command)
        lines.append(_brief(re.sub(r"\A## .*\n+", "", comparison).rstrip(), room))
    if skipped and not comparison:
        lines.append("Skipped or not run:\n\n" + "\n".join(f"- {_plain(r.short)}: {_plain(r.why)}" for r in skipped))
    return value_of("\n\n".join([*lines, *command]), whole="comparison.md")


def _brief(comparison: str, room: int) -> str:
    """With no more than the first sentence of the longest notes below the tables where all of them have no room."""
    lines = comparison.split("\n")
    notes = [at for at, line in enumerate(lines) if re.fullmatch(r"\*[^*].*\*\s*", line)]
    for at in sorted(notes, key=lambda at: -len(lines[at])):
        if len("\n".join(lines)) <= room:
            break
        lines[at] = re.sub(r"\. (?=[A-Z?]).*", ".*  ", lines[at])
    return "\n".join(lines)


def _energy(metrics: dict[str, float], tags: dict[str, str], missing: dict[str, str]) -> str:
    if (value := metrics.get("energy/per_inference_mj")) is not None:
        told = [_plain(tags[tag]) for tag in ("energy.scope", "energy.kind", "energy.source") if tag in tags]
        line = f"Energy, measured: **{value:.4g} ± {metrics['energy/uncertainty_mj']:.2g} mJ** per inference (k=2)"
        verdict = f"; verdict **{_plain(tags['energy.verdict'])}**" if "energy.verdict" in tags else ""
        reasons = tags.get("energy.verdict.reasons", "")
        return line + f": {', '.join(told)}{verdict}" + (f": {_plain(reasons)}" if reasons else "")
    reason = _plain(missing.get("energy/per_inference_mj", "not measured"))
    ends = [metrics.get(f"energy_estimate/per_inference_mj{end}") for end in ("_low", "_high")]
    if None in ends:
        return f"Energy: not measured ({reason})"
    return f"Energy: not measured ({reason}). Estimated from the power profile: {ends[0]:.4g} to {ends[1]:.4g} mJ"


def _plain(text: str) -> str:
    """Text of a board, which must not become markup on MLflow's page."""
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", text.replace("\n", " "))
