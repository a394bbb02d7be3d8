"""Speed of the orchestrator itself, as ratios within one run; no test depends on them."""
