"""Shelly plugs and relays, of the first generation and of those since, by their own HTTP interface.

Sources: shelly-api-docs.shelly.cloud, "Gen1" (``/relay/N?turn=on`` answers with ``ison``) and "gen2" (``Switch.Set``
answers with ``was_on`` alone, so that ``Switch.GetStatus`` is asked for ``output``).
"""

from __future__ import annotations

from requests.auth import AuthBase, HTTPBasicAuth, HTTPDigestAuth

from orchestrator.device import PowerSwitch
from orchestrator.switches.seam import KEY, failed, place, speaking, word
from orchestrator.web import NotThere, Web, password

USER = "admin"
"""The only one since the second generation, and the usual one before."""
OTHER = f"{KEY}.address may be that of another device"


class Shelly:
    """One outlet of it, numbered from 0."""

    def __init__(self, settings: PowerSwitch) -> None:
        self._settings = settings
        self._web: Web | None = None
        self._since_2 = False

    def set(self, on: bool) -> None:
        now = self._set(on)
        if now is not on:
            raise failed(
                self._settings,
                f"it took the order to turn {word(on)}, and is {word(now)}",
                "does an overload, a timer, an interlock or a schedule of its own hold it?",
            )

    def state(self) -> bool:
        with speaking(self._settings):
            return self._state(self._opened())

    def close(self) -> None:
        if self._web is not None:
            self._web.close()
        self._web = None

    def _set(self, on: bool) -> bool:
        with speaking(self._settings):
            web = self._opened()
            if not self._since_2:
                return self._asked(web, f"/relay/{self._settings.outlet}", {"turn": word(on)}, "ison")
            self._asked(web, "/rpc/Switch.Set", self._id() | {"on": "true" if on else "false"}, "was_on")
            return self._state(web)

    def _state(self, web: Web) -> bool:
        if self._since_2:
            return self._asked(web, "/rpc/Switch.GetStatus", self._id(), "output")
        return self._asked(web, f"/relay/{self._settings.outlet}", {}, "ison")

    def _id(self) -> dict[str, str]:
        return {"id": str(self._settings.outlet)}

    def _asked(self, web: Web, path: str, query: dict[str, str], key: str) -> bool:
        try:
            found = web.get(path, query).get(key)
        except NotThere:
            why = f"it has no relay {self._settings.outlet}"
            raise failed(self._settings, why, f"{KEY}.outlet counts from 0") from None
        if not isinstance(found, bool):
            raise failed(self._settings, f"its answer does not say whether it is on: no {key!r}", OTHER)
        return found

    def _opened(self) -> Web:
        """Which generation it is, it tells without a password; how it takes one depends on that."""
        if self._web is None:
            secret = password(place(self._settings))
            self._since_2 = self._is_since_2()
            self._web = Web(place(self._settings), self._auth(secret))
        return self._web

    def _auth(self, secret: str | None) -> AuthBase | None:
        if secret is None:
            return None
        user = self._settings.user or USER
        return HTTPDigestAuth(user, secret) if self._since_2 else HTTPBasicAuth(user, secret)

    def _is_since_2(self) -> bool:
        web = Web(place(self._settings))
        try:
            who = web.get("/shelly")
        except NotThere:
            who = {}
        finally:
            web.close()
        if not {"type", "gen", "mac"} & set(who):
            raise failed(self._settings, "what answers there is no Shelly: it has no /shelly", OTHER)
        generation = who.get("gen")
        return isinstance(generation, int) and generation >= 2
