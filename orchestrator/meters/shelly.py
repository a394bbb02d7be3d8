"""Shelly plugs and relays, of the first generation and of those since, by their own HTTP interface.

Sources: shelly-api-docs.shelly.cloud, "Gen1" (``/shelly``, ``/meter/N``, basic authentication) and "gen2"
(``Switch.GetStatus``, ``PM1.GetStatus``, ``EM1.GetStatus``, digest authentication with SHA-256 after RFC 7616).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

from orchestrator.device import Meter
from orchestrator.errors import MeterError
from orchestrator.meters import usual
from orchestrator.meters.poll import poll
from orchestrator.meters.seam import CLOCKS, Clocks, Ended, Instrument, Missed, Reading
from orchestrator.meters.web import NoNumber, NotThere, Web, number, password
from orchestrator.plain import plain

USER = "admin"
"""The only one since the second generation, and the usual one before."""
NEW = (("/rpc/Switch.GetStatus", "apower"), ("/rpc/PM1.GetStatus", "apower"), ("/rpc/EM1.GetStatus", "act_power"))
OLD = ("/meter", "/emeter")


class Shelly:
    """One outlet of it: ``channel`` is its number from 0."""

    def __init__(self, settings: Meter, clocks: Clocks = CLOCKS) -> None:
        self._settings, self._clocks = settings, clocks
        self._rate_hz = settings.rate_hz or usual.RATES_HZ["shelly"]
        self._web: Web | None = None
        self._ask: Callable[[], float] = self._nothing

    def open(self) -> Instrument:
        self.close()
        secret = password(self._settings)
        who = self._known()
        generation = who.get("gen")
        since_2 = isinstance(generation, int) and generation >= 2
        auth: AuthBase | None = None
        if secret is not None:
            user = self._settings.user or USER
            auth = HTTPDigestAuth(user, secret) if since_2 else HTTPBasicAuth(user, secret)
        self._web = Web(self._settings, auth)
        self._ask = self._found(self._web, since_2)
        model = plain(who.get("model") or who.get("type") or "unknown model")[:60]
        details = {
            "model": model,
            "generation": str(generation) if since_2 else "1",
            "mac": plain(who.get("mac"))[:40],
            "firmware": plain(who.get("ver") or who.get("fw"))[:80],
        }
        source = f"shelly:{self._settings.address} ({model})"
        return Instrument(source, usual.scope(self._settings), self._rate_hz, usual.limits(self._settings), details)

    def readings(self, stop: threading.Event) -> Iterator[Reading | Missed]:
        lag_s = usual.limits(self._settings).lag_s
        return poll(self._ask, self._rate_hz, lag_s, stop, self._clocks)

    def ended(self) -> Ended:
        return Ended()

    def close(self) -> None:
        if self._web is not None:
            self._web.close()
        self._web, self._ask = None, self._nothing

    def _known(self) -> Mapping[str, object]:
        """What every generation tells without a password."""
        web = Web(self._settings)
        try:
            who = web.get("/shelly")
        except NotThere:
            who = {}
        finally:
            web.close()
        if not {"type", "gen", "mac"} & set(who):
            raise MeterError("what answers there is no Shelly: it has no /shelly")
        return who

    def _found(self, web: Web, since_2: bool) -> Callable[[], float]:
        """The one that has this channel, and a meter in it."""
        channel = self._settings.channel
        if since_2:
            asks: list[Callable[[], float]] = [
                lambda path=path, key=key: number(web.get(path, {"id": str(channel)}), key)  # type: ignore[misc]
                for path, key in NEW
            ]
        else:
            asks = [lambda path=path: _old(web, f"{path}/{channel}") for path in OLD]  # type: ignore[misc]
        for ask in asks:
            try:
                ask()
            except (NotThere, NoNumber):  # NoNumber: a switch without a meter
                continue
            return ask
        raise MeterError(f"its channel {channel} (device.meter.channel) measures no power")

    def _nothing(self) -> float:
        raise MeterError("it is not open")


def _old(web: Web, path: str) -> float:
    found = web.get(path)
    if found.get("is_valid") is False:
        raise MeterError("it says that its own reading is not valid")
    return number(found, "power")
