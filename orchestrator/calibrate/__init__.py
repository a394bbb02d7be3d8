"""``calibrate``: a board's own watts and the line of its own sensor, from a meter that is lent for an hour."""

from orchestrator.calibrate.verb import calibrate

__all__ = ["calibrate"]
