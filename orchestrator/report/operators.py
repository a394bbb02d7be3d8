"""The table of a cell's operators in the HTML report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.measurement.operators import operators
from orchestrator.report.words import escaped

NOTE = "Time in the profiler, in a process of its own: where the time goes, not how long a call takes."


def section(record: Mapping[str, Any]) -> str:
    """A heading, the tool, and a row per operator type and provider; nothing where no profile was asked for, and the
    reason where one was and there is none."""
    profile, reason = record["profile"], record["profile_reason"] or ""
    if profile is None:
        asked = reason and not reason.startswith("not asked for")
        return f'<h3>Operators</h3><p class="note">No profile: {escaped(reason)}</p>' if asked else ""
    rows = "".join(
        f'<tr><td>{escaped(o.type)}</td><td>{escaped(o.provider)}</td><td class="right">{o.count:g}</td>'
        f'<td class="right">{o.per_run_ms:.3f}</td><td class="right">{100 * o.share:.1f} %</td></tr>'
        for o in operators(profile)
    )
    heads = "<th>Operator</th><th>On</th>" + "".join(
        f'<th class="right">{head}</th>' for head in ("Per call", "ms per call", "Share")
    )
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    tool = f"{escaped(profile['tool'])}, {profile['runs']} calls."
    return f'<h3>Operators</h3><p class="note">{tool} {NOTE}</p><div class="wide">{table}</div>'
