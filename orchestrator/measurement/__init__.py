"""What the controller computes from a record: metrics, uncertainty, verdict. Missing is a reason, never 0."""

from orchestrator.measurement.measure import measure
from orchestrator.measurement.measurement import Measurement

__all__ = ["Measurement", "measure"]
