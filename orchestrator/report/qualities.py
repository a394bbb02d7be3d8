"""How well cells answer, as texts of a table."""

from __future__ import annotations

from orchestrator.report.text import Row, has, number


def top1(row: Row) -> str:
    """``97.2 ±1.7%``: half of Wilson's interval."""
    if not has(row, "quality_top1"):
        return ""
    value = f"{100 * row['quality_top1']:.1f}"
    if not has(row, "quality_top1_low"):
        return f"{value}%"
    return f"{value} ±{50 * (row['quality_top1_high'] - row['quality_top1_low']):.1f}%"


def auc(row: Row) -> str:
    return f"{row['quality_auc']:.3f}" if has(row, "quality_auc") else ""


def drop(row: Row) -> str:
    """``+0.6 (0.1 to 1.2)``: points that were lost; below 0, won."""
    if not has(row, "quality_drop"):
        return ""
    value, low, high = (100 * row[key] + 0.0 for key in ("quality_drop", "quality_drop_low", "quality_drop_high"))
    return f"{value:+.1f} ({low:.1f} to {high:.1f})" if value else f"0 ({low:.1f} to {high:.1f})"


def sqnr(row: Row) -> str:
    return number(row["quality_sqnr_db"]) if has(row, "quality_sqnr_db") else ""
