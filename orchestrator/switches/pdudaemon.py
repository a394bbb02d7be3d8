"""The outlets of many kinds of PDUs, by pdudaemon and its HTTP interface.

Source: github.com/pdudaemon/pdudaemon, ``httplistener.py`` and ``listener.py``: ``/power/control/on`` and ``/off`` with
``hostname`` (the name of the PDU in its configuration) and ``port`` answer ``OK - accepted request``, else with status
500. Since 1.1.0 it answers when the PDU has done it, before that when the order was accepted, and from outside one
cannot tell which: so each answer is followed by a wait. There is no way to ask for a state, and no password.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from orchestrator.device import PowerSwitch
from orchestrator.switches.seam import KEY, Sleep, failed, place, speaking, word
from orchestrator.web import NotThere, Web

PORT = 16421
ACCEPTED = b"OK"
QUEUE_S = 5.0
"""How long an order may still be under way after it was accepted: pdudaemon's own pause before it tries once more."""


class Pdudaemon:
    """One outlet of one PDU, numbered as that PDU does."""

    def __init__(self, settings: PowerSwitch, sleep: Sleep = time.sleep) -> None:
        self._settings, self._sleep = settings, sleep
        self._host, _, self._pdu = settings.address.partition("/")
        if not re.search(r":\d+$", self._host):
            self._host += f":{PORT}"

    def set(self, on: bool) -> None:
        query = {"hostname": self._pdu, "port": str(self._settings.outlet)}
        web = Web(place(self._settings, self._host))
        try:
            with speaking(self._settings):
                accepted = _accepted(web, f"/power/control/{word(on)}", query)
        finally:
            web.close()
        if not accepted:
            raise failed(
                self._settings,
                f"pdudaemon did not accept to turn it {word(on)}",
                f"is {self._pdu} a PDU of its configuration, with an outlet {self._settings.outlet} ({KEY}.outlet)? "
                "its log says what the PDU answered",
            )
        self._sleep(QUEUE_S)

    def state(self) -> None:
        return None

    def close(self) -> None:
        return None


def _accepted(web: Web, path: str, query: Mapping[str, str]) -> bool:
    try:
        return web.read(path, query).startswith(ACCEPTED)
    except NotThere:  # its status 500
        return False
