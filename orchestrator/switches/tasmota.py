"""Plugs with the Tasmota firmware, by its web commands.

Source: tasmota.github.io/docs, "Commands": ``Power1 ON`` answers with the state that came of it, under ``POWER`` where
the plug has one outlet (unless SetOption26 is set), else under ``POWER1``, ``POWER2``, ...
"""

from __future__ import annotations

from typing import Any

from orchestrator.device import PowerSwitch
from orchestrator.switches.seam import KEY, failed, place, speaking, word
from orchestrator.web import NotThere, Unauthorized, Web, password

USER = "admin"
STATES = {"ON": True, "OFF": False}


class Tasmota:
    """One outlet of it: numbered from 0 here, as for a meter, and from 1 by Tasmota."""

    def __init__(self, settings: PowerSwitch) -> None:
        self._settings = settings
        self._name = f"Power{settings.outlet + 1}"
        self._web: Web | None = None

    def set(self, on: bool) -> None:
        with speaking(self._settings):
            now = self._told(self._command(f"{self._name} {word(on).upper()}"))
        if now is not on:
            raise failed(
                self._settings,
                f"it took the order to turn {word(on)}, and is {word(now)}",
                "does PulseTime, Interlock or a rule of its own hold it?",
            )

    def state(self) -> bool:
        with speaking(self._settings):
            return self._told(self._command(self._name))

    def close(self) -> None:
        if self._web is not None:
            self._web.close()
        self._web = None

    def _told(self, found: dict[str, Any]) -> bool:
        keys = [self._name.upper(), *(["POWER"] if self._settings.outlet == 0 else [])]
        said = next((found[key] for key in keys if key in found), None)
        if said is None:
            raise failed(self._settings, f"it has no {self._name}", f"{KEY}.outlet counts from 0, where it says Power1")
        if said not in ("ON", "OFF"):
            why = "its answer is neither ON nor OFF"
            raise failed(self._settings, why, "set its words back: StateText1 OFF, StateText2 ON")
        return STATES[said]

    def _command(self, command: str) -> dict[str, Any]:
        where = place(self._settings)
        query, secret = {"cmnd": command}, password(where)
        if secret is not None:
            query |= {"user": self._settings.user or USER, "password": secret}
        self._web = self._web or Web(where)
        try:
            found = self._web.get("/cm", query)
        except NotThere:
            why = "what answers there has no web commands of Tasmota (/cm)"
            raise failed(
                self._settings, why, f"{KEY}.address may be that of another device, such as a Shelly"
            ) from None
        if "Need user" in str(found.get("WARNING")):  # with HTTP status 200 before Tasmota 12
            raise Unauthorized(KEY)
        return found
