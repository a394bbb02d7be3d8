"""Switches made small: real servers on loopback that turn on and off as the real ones do."""

from __future__ import annotations

from tests.meters import servers
from tests.meters.servers import Answer, Plug, ok


class Relay(Plug):
    """``on`` by outlet; ``stuck``: it takes orders and does nothing; ``dead_orders``: so many orders get no answer of
    any use."""

    def __init__(self) -> None:
        self.on: dict[int, bool] = {0: True, 1: True}
        self.stuck = False
        self.dead_orders = 0
        super().__init__()

    def turn(self, outlet: int, on: bool) -> bool:
        """What it was before."""
        was = self.on[outlet]
        if not self.stuck:
            self.on[outlet] = on
        return was

    def spoilt(self) -> bool:
        self.dead_orders -= 1
        return self.dead_orders >= 0


NOWHERE: Answer = (404, {}, b"Not Found")
BUSY: Answer = (503, {}, b"busy")


class Gen1(Relay, servers.Gen1):
    """``/relay/N`` of the first generation."""

    def known(self, whole: str, path: str, query: dict[str, str], authorization: str | None) -> Answer:
        first = super().known(whole, path, query, authorization)
        if first[0] != 404 or not path.startswith("/relay/"):
            return first
        outlet = int(path.rpartition("/")[2])
        if outlet not in self.on:
            return NOWHERE
        if "turn" in query:
            if self.spoilt():
                return BUSY
            self.turn(outlet, query["turn"] == "on")
        return ok({"ison": self.on[outlet], "has_timer": False, "source": "http"})


class Gen2(Relay, servers.Gen2):
    """``Switch.Set`` and ``Switch.GetStatus`` of the later ones."""

    def __init__(self) -> None:
        self.component, self.key, self.nonce = "none", "none", "0123456789abcdef"
        super().__init__()

    def known(self, whole: str, path: str, query: dict[str, str], authorization: str | None) -> Answer:
        first = servers.Gen2.known(self, whole, path, query, authorization)
        if first[0] == 401 or path not in ("/rpc/Switch.Set", "/rpc/Switch.GetStatus"):
            return first
        outlet = int(query["id"])
        if outlet not in self.on:
            return 500, {}, b'{"code":-105,"message":"Argument \'id\', value 7 not found!"}'
        if path == "/rpc/Switch.Set":
            return BUSY if self.spoilt() else ok({"was_on": self.turn(outlet, query["on"] == "true")})
        return ok({"id": outlet, "source": "HTTP_in", "output": self.on[outlet]})


class Tasmota(Relay):
    """``Power1`` and so on; with one outlet it says ``POWER``."""

    def known(self, whole: str, path: str, query: dict[str, str], authorization: str | None) -> Answer:
        if path != "/cm":
            return NOWHERE
        if self.password and (query.get("user"), query.get("password")) != ("admin", self.password):
            return ok({"WARNING": "Need user=<username>&password=<password>"})
        name, _, order = query["cmnd"].partition(" ")
        outlet = int(name.removeprefix("Power")) - 1
        if outlet not in self.on:
            return ok({"Command": "Error"})
        if order and self.spoilt():
            return BUSY
        if order:
            self.turn(outlet, order == "ON")
        return ok({"POWER" if len(self.on) == 1 else name.upper(): "ON" if self.on[outlet] else "OFF"})


class Pdudaemon(Relay):
    """A PDU called ``rack``; the state is that of the PDU behind it and cannot be asked for."""

    def known(self, whole: str, path: str, query: dict[str, str], authorization: str | None) -> Answer:
        order, outlet = path.removeprefix("/power/control/"), int(query.get("port", "-1"))
        if order not in ("on", "off") or query.get("hostname") != "rack" or outlet not in self.on or self.spoilt():
            return 500, {}, b"Invalid request\n"
        self.turn(outlet, order == "on")
        return 200, {"Content-Type": "text/plain; charset=utf-8"}, b"OK - accepted request\n"
