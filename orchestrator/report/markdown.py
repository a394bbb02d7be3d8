"""The comparison as Markdown, for issues and MLflow's notes."""

from __future__ import annotations

import re

from orchestrator.plain import plain
from orchestrator.report import columns as c


def markdown(shown: c.Sheet, title: str) -> str:
    lines = [f"## {_text(title)}", ""]
    if shown.common:
        lines += [" · ".join(f"{head} **{_text(text)}**" for head, text in shown.common.items()), ""]
    if shown.rows:
        lines.append("| " + " | ".join(_text(column.head) for column in shown.columns) + " |")
        lines.append("| " + " | ".join("---:" if column.right else "---" for column in shown.columns) + " |")
        lines += ["| " + " | ".join(_text(column.text(row)) for column in shown.columns) + " |" for row in shown.rows]
        lines.append("")
    lines += [f"- **{row['verdict']}** {_text(c.cell_name(row))}: {_text(text)}" for row, text in c.doubts(shown.rows)]
    for row in shown.others:
        hint = f" ({_text(plain(row['hint']))})" if c.has(row, "hint") else ""
        lines.append(f"- **{row['status']}** {_text(c.cell_name(row))}: {_text(plain(row['reason']))}{hint}")
    return "\n".join([*lines, "", *(f"*{_text(note)}*  " for note in c.notes(shown))]) + "\n"


def _text(text: str) -> str:
    """No markup, no table cell and no HTML comes out of a board's text."""
    return re.sub(r"([\\`*_\[\]<>|#!~])", r"\\\1", text)
