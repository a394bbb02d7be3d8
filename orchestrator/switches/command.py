"""Any program that turns a board on, and one that turns it off."""

from __future__ import annotations

from orchestrator.device import PowerSwitch
from orchestrator.switches.program import ran
from orchestrator.switches.seam import KEY, failed, word


class Command:
    """Two lists of words; exit status 0 is all that is known of a success."""

    def __init__(self, settings: PowerSwitch) -> None:
        self._settings = settings

    def set(self, on: bool) -> None:
        done = ran(self._settings, self._settings.turn_on if on else self._settings.turn_off)
        if done.status:
            said = f": {done.said}" if done.said else ", without a word"
            how = f"signal {-done.status}" if done.status < 0 else f"exit status {done.status}"
            raise failed(
                self._settings,
                f"what turns it {word(on)} ended with {how}{said}",
                f"run {KEY}.turn_{word(on)} by hand: it must end with exit status 0",
            )

    def state(self) -> None:
        return None

    def close(self) -> None:
        return None
