"""Energy per inference: measured by a sensor or a meter, or estimated, and never one in the other's place."""

from orchestrator.energy.derived import derived
from orchestrator.energy.estimated import estimated
from orchestrator.energy.limits import LIMITS, Limits
from orchestrator.energy.measured import measured
from orchestrator.energy.meter import ClockOffset, MeterReadings
from orchestrator.energy.operations import operations

__all__ = ["LIMITS", "ClockOffset", "Limits", "MeterReadings", "derived", "estimated", "measured", "operations"]
