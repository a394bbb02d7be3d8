"""How well an artifact answers: from the board's raw answers to accuracy, agreement and the drop against float."""

from orchestrator.quality.judged import judged

__all__ = ["judged"]
