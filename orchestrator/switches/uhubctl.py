"""The ports of a USB hub on this machine, by the program uhubctl.

Source: github.com/mvp/uhubctl, ``uhubctl.c``. It ends with 1 where there is no hub that it can use at the location, and
with 0 whether or not the port switched, so that the state is read back from what it prints:

    New status for hub 1-1.4 [2109:2812 VIA Labs, Inc. USB2.0 Hub, USB 2.10, 4 ports, ppps]
      Port 2: 0000 off

A USB 3 hub is two hubs, of which it switches and prints both; a port gives power while either does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from orchestrator.device import PowerSwitch
from orchestrator.switches.program import Ran, ran
from orchestrator.switches.seam import KEY, failed, word

PROGRAM = "uhubctl"
_HUB = re.compile(r"(?:Current|New) status for hub (\S+)")
_PORT = re.compile(r"\s+Port (\d+): [0-9a-f]{4}([^\[]*)")
NOT_ITS_OWN = (
    "may this user write to the hub (udev rules of uhubctl), and does the hub switch this port alone? "
    "many switch all of theirs together or none"
)


class Uhubctl:
    """One port, numbered as the hub does, from 1."""

    def __init__(self, settings: PowerSwitch) -> None:
        self._settings = settings

    def set(self, on: bool) -> None:
        done = self._ran("-a", word(on))
        if self._powered(done) is not on:
            said = f": {done.said}" if done.said else ""
            raise failed(self._settings, f"the port did not switch, it is still {word(not on)}{said}", NOT_ITS_OWN)

    def state(self) -> bool:
        return self._powered(self._ran())

    def close(self) -> None:
        return None

    def _ran(self, *words: str) -> Ran:
        done = ran(self._settings, [PROGRAM, "-l", self._settings.address, "-p", str(self._settings.outlet), *words])
        if done.status:
            raise failed(
                self._settings,
                f"uhubctl ended with exit status {done.status}: {done.said or 'no word'}",
                f"'uhubctl' alone lists the hubs that it can switch: {KEY}.address is the location of one",
            )
        return done

    def _powered(self, done: Ran) -> bool:
        hubs = last_told(done.out.splitlines(), self._settings.outlet)
        if self._settings.address.lower() not in hubs:
            said = f": {done.said}" if done.said else ""
            raise failed(self._settings, f"uhubctl did not say whether the port is on{said}", NOT_ITS_OWN)
        return any(hubs.values())


def last_told(lines: Sequence[str], port: int) -> dict[str, bool]:
    """By hub, whether it gives power to the port after all that was done. A port's line: number, status as four
    hexadecimal digits, words, and in brackets what is connected, which may say anything."""
    hub = ""
    found: dict[str, bool] = {}
    for line in lines:
        if head := _HUB.match(line):
            hub = head[1].lower()
            found.pop(hub, None)  # what it was before tells nothing of what it is
        elif (told := _PORT.match(line)) and hub and int(told[1]) == port:
            found[hub] = "power" in told[2].split()
    return found
