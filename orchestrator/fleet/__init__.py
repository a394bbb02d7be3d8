"""The fleet: who runs what when."""

from orchestrator.fleet.builds import Builds
from orchestrator.fleet.finish import failed
from orchestrator.fleet.lanes import CONTROLLER, Fleet, Progress
from orchestrator.fleet.plan import Entry, Plan, plan, seconds
from orchestrator.fleet.turns import Turns

__all__ = ["CONTROLLER", "Builds", "Entry", "Fleet", "Plan", "Progress", "Turns", "failed", "plan", "seconds"]
