"""The power switches: what turns a board's supply off and on when the board does not answer any more."""

from orchestrator.switches.cycle import cycle, settings_of
from orchestrator.switches.kinds import switch_of
from orchestrator.switches.seam import Switch, called

__all__ = ["Switch", "called", "cycle", "settings_of", "switch_of"]
