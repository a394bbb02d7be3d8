"""Fixtures: servers that are closed again, and programs on PATH."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.remote.conftest import board, program  # noqa: F401
from tests.switches.servers import Relay


@pytest.fixture
def start() -> Iterator[Callable[[type[Relay]], Relay]]:
    plugs: list[Relay] = []

    def one(kind: type[Relay]) -> Relay:
        plugs.append(kind())
        return plugs[-1]

    yield one
    for plug in plugs:
        plug.close()


HUB = r"""#!/bin/sh
# What uhubctl 2.6 prints; the state of its ports lies in $HUB_STATE; with $HUB_STUCK they do not switch.
while getopts l:p:a: option; do
    case $option in l) location=$OPTARG ;; p) port=$OPTARG ;; a) action=$OPTARG ;; *) exit 1 ;; esac
done
if [ "$location" != 1-1.4 ]; then
    printf 'No compatible devices detected at location %s!\nRun with -h to get usage info.\n' "$location" >&2
    exit 1
fi
status() {
    printf '%s status for hub 1-1.4 [2109:2812 VIA Labs, Inc. USB2.0 Hub, USB 2.10, 4 ports, ppps]\n' "$1"
    [ "$port" -le 4 ] || return 0
    if [ "$(cat "$HUB_STATE")" = on ]; then
        printf '  Port %s: 0103 power enable connect [0bda:8153 Port off: power]\n' "$port"
    else
        printf '  Port %s: 0000 off\n' "$port"
    fi
    printf '%s status for hub 2-1.4 [2109:0812 VIA Labs, Inc. USB3.0 Hub, USB 3.00, 4 ports, ppps]\n' "$1"
    if [ "$(cat "$HUB_STATE")" = on ]; then
        printf '  Port %s: 02a0 power 5gbps Rx.Detect\n' "$port"
    else
        printf '  Port %s: 0080 off\n' "$port"
    fi
}
status Current
if [ -n "$action" ]; then
    if [ -n "$HUB_STUCK" ]; then
        printf 'Failed to control port power!\n: Input/output error\n' >&2
    elif [ "$port" -le 4 ]; then
        printf '%s' "$action" > "$HUB_STATE"
    fi
    printf 'Sent power %s request\n' "$action"
    status New
fi
"""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for uhubctl on PATH; the file says whether its port is on."""
    script, state = tmp_path / "bin" / "uhubctl", tmp_path / "state"
    script.parent.mkdir()
    script.write_text(HUB)
    script.chmod(0o755)
    state.write_text("on")
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HUB_STATE", str(state))
    return state
