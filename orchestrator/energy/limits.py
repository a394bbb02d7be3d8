"""How far sensors and meters may be off: limits, so that within them every error is as likely as any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """``gain`` as a share of the reading and ``offset_w`` in W are limits of error; ``resolution_w`` is a step of the
    readings, ``update_s`` how seldom the sensor has a new one, ``lag_s`` how long a reading trails at most."""

    gain: float
    offset_w: float = 0.0
    resolution_w: float = 0.0
    update_s: float = 0.0
    lag_s: float = 0.0
    assumed: bool = True  # the gain is this project's assumption, and no data sheet's


LIMITS: Mapping[str, Limits] = {
    # INA3221: 40 uV steps of the shunt on 5 mOhm at 5 V. Gains: a 1 % shunt and its front end; a model in RAPL.
    "ina3221": Limits(0.02, resolution_w=0.040),
    "hwmon": Limits(0.02),
    "rapl": Limits(0.05, update_s=0.001),
    "pmic": Limits(0.05),
    "battery": Limits(0.05, lag_s=2.0),
    "nvml": Limits(0.05, update_s=0.1, lag_s=1.0),
    "shelly": Limits(0.03, offset_w=0.5, resolution_w=0.1, lag_s=2.0),
    "tasmota": Limits(0.03, offset_w=0.5, resolution_w=0.1, lag_s=3.0),
    "scpi": Limits(0.005, offset_w=0.005, lag_s=0.5),
    "command": Limits(0.01, lag_s=0.5),
}
"""By the reader of a sensor or the kind of a meter."""

UNKNOWN = Limits(0.05)
