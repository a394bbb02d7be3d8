"""Text in HTML."""

from __future__ import annotations

from html import escape

from orchestrator.plain import plain


def escaped(value: object) -> str:
    """Text that can stand in an element or an attribute, whatever a board got into it."""
    return escape(plain(value), quote=True)
