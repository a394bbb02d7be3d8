"""The fleet: who runs what when."""

from orchestrator.fleet.boundary import CONTROLLER, Progress
from orchestrator.fleet.builds import Builds
from orchestrator.fleet.finish import failed
from orchestrator.fleet.forecast import Forecast, Share, forecast
from orchestrator.fleet.lanes import Fleet
from orchestrator.fleet.plan import Entry, Plan, adds_energy, energy_seconds, plan
from orchestrator.fleet.turns import Turns
from orchestrator.fleet.ward import Ward

__all__ = [
    "CONTROLLER",
    "Builds",
    "Entry",
    "Fleet",
    "Forecast",
    "Plan",
    "Progress",
    "Share",
    "Turns",
    "Ward",
    "adds_energy",
    "energy_seconds",
    "failed",
    "forecast",
    "plan",
]
