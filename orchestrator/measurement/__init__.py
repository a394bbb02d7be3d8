"""What the controller computes from a record: metrics, uncertainty, verdict. Missing is a reason, never 0."""

from orchestrator.measurement.measure import measure
from orchestrator.measurement.measurement import Measurement
from orchestrator.measurement.throughput import per_process_ms

__all__ = ["Measurement", "measure", "per_process_ms"]
