"""What all cells were given besides their axes is said once, so that their names are short."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def shared(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """The rows, their ``scenario`` without the overrides that every row has; and those overrides.

    Of ``quick (scenario.window_s=1, scenario.processes=3)`` and ``offline (scenario.window_s=1)`` it is
    ``scenario.window_s=1``. Rows without a scenario have no say.
    """
    named = [parts(row["scenario"])[1] for row in rows if row.get("scenario")]
    common = [one for one in named[0] if all(one in some for some in named)] if named else []
    if not common:
        return list(rows), []
    return [{**row, "scenario": without(row["scenario"] or "", common)} for row in rows], common


def without(scenario: str, common: Sequence[str]) -> str:
    """The name with the overrides that are its own."""
    name, overrides = parts(scenario)
    left = [one for one in overrides if one not in common]
    return f"{name} ({', '.join(left)})" if left else name


def parts(scenario: str) -> tuple[str, list[str]]:
    """The name and its overrides; a comma within a value ends none of them."""
    name, _, rest = scenario.partition(" (")
    return name, re.split(r", (?=[+~]*[\w./@]+=)", rest.removesuffix(")")) if rest else []
