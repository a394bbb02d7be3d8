"""Plugs with the Tasmota firmware, by its web commands.

Sources: tasmota.github.io/docs, "Commands" (``/cm?cmnd=``, user and password in the query, WattRes) and "JSON Status
Responses" (Status 10, and 8 of older firmware; several outlets make ENERGY.Power a list).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from orchestrator.device import Meter
from orchestrator.errors import MeterError
from orchestrator.meters import usual
from orchestrator.meters.poll import poll
from orchestrator.meters.seam import CLOCKS, Clocks, Ended, Instrument, Missed, Reading
from orchestrator.meters.web import NoNumber, NotThere, Unauthorized, Web, number, password
from orchestrator.plain import plain

USER = "admin"
STATUS = ("Status 10", "Status 8")


class Tasmota:
    """One outlet of it: ``channel`` is its number from 0."""

    def __init__(self, settings: Meter, clocks: Clocks = CLOCKS) -> None:
        self._settings, self._clocks = settings, clocks
        self._rate_hz = settings.rate_hz or usual.RATES_HZ["tasmota"]
        self._web: Web | None = None
        self._status = STATUS[0]

    def open(self) -> Instrument:
        self.close()
        self._web = Web(self._settings)
        try:
            self._status = self._answering()
        except NotThere as error:
            raise MeterError(
                "what answers there has no web commands of Tasmota (/cm): is it a Tasmota, or a Shelly "
                "(device.meter.kind=shelly)?"
            ) from error
        digits = self._command("WattRes").get("WattRes")
        digits = digits if isinstance(digits, int) and 0 <= digits <= 3 else None
        status = self._command("Status").get("Status")
        name = plain(status.get("DeviceName") if isinstance(status, dict) else None)[:60] or "unnamed"
        details = {"name": name, "WattRes": "unknown" if digits is None else str(digits), "command": self._status}
        return Instrument(
            f"tasmota:{self._settings.address} ({name})",
            usual.scope(self._settings),
            self._rate_hz,
            usual.limits(self._settings, resolution_w=1.0 if digits is None else 10.0**-digits),
            details,
        )

    def readings(self, stop: threading.Event) -> Iterator[Reading | Missed]:
        lag_s = usual.limits(self._settings).lag_s
        return poll(lambda: self._watts(self._status), self._rate_hz, lag_s, stop, self._clocks)

    def ended(self) -> Ended:
        return Ended()

    def close(self) -> None:
        if self._web is not None:
            self._web.close()
        self._web = None

    def _answering(self) -> str:
        """The command that has the energy in it."""
        for status in STATUS:
            try:
                self._watts(status)
            except NoNumber:
                continue
            return status
        raise MeterError("it has no energy meter: neither Status 10 nor Status 8 has ENERGY.Power")

    def _watts(self, status: str) -> float:
        sensors = self._command(status).get("StatusSNS")
        energy = sensors.get("ENERGY") if isinstance(sensors, dict) else None
        if not isinstance(energy, dict):
            raise NoNumber("its answer has no ENERGY")
        power, channel = energy.get("Power"), self._settings.channel
        outlets = power if isinstance(power, list) else [power]
        if channel >= len(outlets):
            raise MeterError(f"it has {len(outlets)} outlets, and no channel {channel} (device.meter.channel)")
        return number({"Power": outlets[channel]}, "Power")

    def _command(self, command: str) -> dict[str, Any]:
        if self._web is None:
            raise MeterError("it is not open")
        query = {"cmnd": command}
        secret = password(self._settings)
        if secret is not None:
            query |= {"user": self._settings.user or USER, "password": secret}
        found = self._web.get("/cm", query)
        if "Need user" in str(found.get("WARNING")):  # with HTTP status 200 before Tasmota 12
            raise Unauthorized
        return found
