"""Where a lab's own folder is named. Hydra's plugin imports this at every start, so it imports nothing."""

from __future__ import annotations

LAB_VARIABLE = "ORCHESTRATOR_LAB"
"""Set by ``--config-dir`` as well."""
