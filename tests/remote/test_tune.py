"""Settings of a board changed and put back, on trees and commands in the real formats; no board has been at hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remote import tune
from remote.contract import parse_record
from remote.tune import Tuning, root
from tests.remote.boards import Attached, Board, eventually
from tests.remote.test_board import write

CPUFREQ = "sys/devices/system/cpu/cpufreq"
NOTHING = {"governor": None, "cpu_mhz": None, "power_mode": None, "jetson_clocks": False, "fan": None, "cpus": []}
SCRIPT = Path(tune.__file__).with_name("edge-orchestrator-tune")

NVPMODEL = """#!/bin/sh
# Says what the real one says (JetPack 5 and 6); mode 2 is one that wants a restart.
status={root}/var/lib/nvpmodel/status
if [ "$1" = -q ]; then
    number=$(sed 's/pmode:000//' $status)
    name=$(grep "ID=$number " {root}/etc/nvpmodel.conf | sed 's/.*NAME=\\([^ ]*\\) .*/\\1/')
    printf 'NV Fan Mode:quiet\\nNV Power Mode: %s\\n%s\\n' "$name" "$number"
elif [ "$2" = 2 ]; then
    echo "NVPM WARN: Reboot required for changing to this power mode: 2"
    echo "NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:"
    read answer && echo restarted > {root}/restarted
    exit 1
else
    echo "pmode:000$2" > $status
fi
"""
JETSON_CLOCKS = """#!/bin/sh
# Stores lines of path:value, and writes back as root whatever such a file says.
cpu={root}/sys/devices/system/cpu/cpufreq/policy0
case "$1" in
--store) [ ! -e "$2" ] || {{ echo "File $2 already exists. Can I overwrite it? Y/N:"; read answer; exit 1; }}
    echo "$cpu/scaling_min_freq:$(cat $cpu/scaling_min_freq)" > "$2" ;;
--restore) while IFS=: read -r path value; do echo "$value" > "$path"; done < "$2" ;;
*) cat $cpu/scaling_max_freq > $cpu/scaling_min_freq ;;
esac
"""


def policy(base: Path, number: int = 0, cpus: str = "0 1 2 3", high: int = 1510400) -> Path:
    folder = base / CPUFREQ / f"policy{number}"
    values = {"scaling_governor": "ondemand", "scaling_available_governors": "ondemand userspace performance schedutil"}
    values |= {"scaling_min_freq": "729600", "scaling_max_freq": str(high), "related_cpus": cpus}
    values |= {"cpuinfo_min_freq": "115200", "cpuinfo_max_freq": str(high)}
    for name, value in values.items():
        write(folder / name, value)
    return folder


def program(path: Path, text: str) -> None:
    write(path, text)
    path.chmod(0o755)


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a Jetson Orin Nano, as far as this program looks."""
    found = tmp_path / "root"
    policy(found)
    write(found / "sys/class/hwmon/hwmon0/name", "soctherm_oc")
    write(found / "sys/class/hwmon/hwmon2/name", "pwmfan")
    write(found / "sys/class/hwmon/hwmon2/pwm1", 77)
    modes = "\n".join(f"< POWER_MODEL ID={n} NAME={name} >\nCPU_ONLINE CORE_0 1" for n, name in enumerate(MODES))
    write(found / "etc/nvpmodel.conf", f"# < POWER_MODEL ID=9 NAME=COMMENT >\n{modes}\n< PM_CONFIG DEFAULT=0 >")
    write(found / "var/lib/nvpmodel/status", "pmode:0000")
    program(found / "bin/nvpmodel", NVPMODEL.format(root=found))
    program(found / "bin/jetson_clocks", JETSON_CLOCKS.format(root=found))
    monkeypatch.setenv("PATH", f"{found / 'bin'}:{os.environ['PATH']}")
    (tmp_path / "workdir").mkdir(exist_ok=True)
    return found


MODES = ("15W", "7W", "MAXN_SUPER")


def value(base: Path, name: str) -> str:
    return (base / CPUFREQ / "policy0" / name).read_text().strip()


def content(base: Path) -> dict[str, str]:
    return {str(path): path.read_text().strip() for path in sorted(base.rglob("*")) if path.is_file()}


def wanted(**settings: Any) -> dict[str, Any]:
    return {**NOTHING, **settings}


@pytest.fixture
def tuning(base: Path) -> Tuning:
    return Tuning(str(base.parent / "workdir"), str(base))


def test_every_setting_is_made_read_back_and_put_back(base: Path, tuning: Tuning) -> None:
    before = content(base)
    asked = wanted(governor="performance", power_mode="7W", jetson_clocks=True, fan=100)
    outcomes = tuning.apply(asked)
    assert [(o["setting"], o["wanted"], o["before"], o["now"], o["reason"]) for o in outcomes] == [
        ("power_mode", "7W", "15W", "7W", None),
        ("governor", "performance", "ondemand", "performance", None),
        ("jetson_clocks", "on", "off", "on", None),
        ("fan", "100 %", "30 %", "100 %", None),
    ]
    assert (base / "sys/class/hwmon/hwmon2/pwm1").read_text() == "255"
    assert value(base, "scaling_min_freq") == "1510400"
    assert tuning.apply(asked) == outcomes  # nothing is done twice
    assert tuning.restore() == []
    assert content(base) == before
    assert not (base.parent / "workdir" / tune.JOURNAL).exists()


@pytest.mark.parametrize(("mhz", "order"), [(1510, ["max", "min"]), (1200, ["min", "max"])])
def test_a_fixed_clock(base: Path, tuning: Tuning, mhz: int, order: list[str]) -> None:
    write(base / CPUFREQ / "policy0/scaling_max_freq", 1400000)
    before = content(base)
    policy(base, 4, "4 5 6 7")
    (outcome,) = tuning.apply(wanted(cpu_mhz=mhz, cpus=[0, 1]))
    assert (outcome["before"], outcome["now"], outcome["reason"]) == ("729.6-1400", str(mhz), None)
    assert value(base, "scaling_min_freq") == value(base, "scaling_max_freq") == str(mhz * 1000)
    journal = json.loads((base.parent / "workdir" / tune.JOURNAL).read_text())
    assert [change["target"] for change in journal] == [["cpufreq", "policy0", f"scaling_{end}_freq"] for end in order]
    tuning.restore()
    assert {path: text for path, text in content(base).items() if "policy4" not in path} == before


def test_a_clock_is_the_nearest_that_the_board_has(base: Path, tuning: Tuning) -> None:
    """As an Orin tells its clocks."""
    write(base / CPUFREQ / "policy0/scaling_available_frequencies", "115200 729600 1036800 1190400 1497600 1510400 ")
    for mhz, khz in (
        (729, 729600),
        (730, 729600),
        (729.6, 729600),
        (1037, 1036800),
        (1190.0, 1190400),
        (1511, 1510400),
    ):
        (outcome,) = tuning.apply(wanted(cpu_mhz=mhz))
        assert outcome["reason"] is None, mhz
        assert outcome["now"] == outcome["wanted"] == str(khz / 1000)
        assert value(base, "scaling_min_freq") == value(base, "scaling_max_freq") == str(khz)
    for mhz in (728, 1500):
        (outcome,) = tuning.apply(wanted(cpu_mhz=mhz))
        says = "policy0 has the clocks 115.2 729.6 1036.8 1190.4 1497.6 1510.4 MHz"
        assert (outcome["wanted"], outcome["reason"]) == (str(mhz), says)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"governor": "powersave"}, "this kernel has the governors ondemand, userspace, performance, schedutil"),
        ({"cpu_mhz": 2400}, "policy0 has clocks from 115.2 to 1510.4 MHz"),
        ({"power_mode": "30W"}, "this module has the power modes 15W, 7W, MAXN_SUPER"),
        ({"power_mode": "MAXN_SUPER"}, "needs a restart of the board, which is never done for you"),
    ],
)
def test_what_cannot_be_leaves_everything_as_it_is(
    base: Path, tuning: Tuning, settings: dict[str, Any], why: str
) -> None:
    before = content(base)
    (outcome,) = tuning.apply(wanted(**settings))
    assert why in outcome["reason"]
    assert outcome["now"] == outcome["before"] != outcome["wanted"]
    assert content(base) == before
    assert not (base.parent / "workdir" / tune.JOURNAL).exists()


def test_another_kind_of_board_says_so(tmp_path: Path) -> None:
    outcomes = Tuning(str(tmp_path), str(tmp_path)).apply(
        wanted(governor="performance", cpu_mhz=1500, power_mode="15W", jetson_clocks=True, fan=50)
    )
    assert [outcome["now"] for outcome in outcomes] == [None] * 5
    words = ("no nvpmodel", "no cpufreq", "no cpufreq", "no jetson_clocks", "no fan that can be set")
    assert all(word in outcome["reason"] for word, outcome in zip(words, outcomes, strict=True))


def test_without_permission_it_says_what_to_allow(base: Path, tuning: Tuning, monkeypatch: pytest.MonkeyPatch) -> None:
    program(base / "bin/sudo", "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n")
    monkeypatch.setattr(root, "is_root", lambda: False)
    monkeypatch.setattr(root, "_direct", no_permission)
    before = content(base)
    outcomes = tuning.apply(wanted(governor="performance", power_mode="7W", jetson_clocks=True))
    says = "no permission, and sudo says: a password is required (docs/board.md, Tuning: what root has to allow once)"
    assert [outcome["reason"] for outcome in outcomes] == [says] * 3
    assert content(base) == before


def test_what_cannot_be_noted_down_is_not_changed(base: Path, tuning: Tuning, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, data: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tune, "write_json", full)
    (outcome,) = tuning.apply(wanted(governor="performance"))
    assert "could not be noted down how to put it back" in outcome["reason"]
    assert value(base, "scaling_governor") == "ondemand"


def test_what_somebody_else_has_changed_is_left_and_told(base: Path, tuning: Tuning) -> None:
    tuning.apply(wanted(governor="performance"))
    write(base / CPUFREQ / "policy0/scaling_governor", "userspace")
    (outcome,) = tuning.look()
    assert (outcome["now"], outcome["reason"]) == ("userspace", "something else has changed it since")
    (words,) = tuning.restore()
    assert "something else has made it userspace" in words
    assert "it was ondemand" in words
    assert value(base, "scaling_governor") == "userspace"


def test_what_could_not_be_put_back_is_told_and_keeps_its_first_value(base: Path, tuning: Tuning) -> None:
    status = base / "var/lib/nvpmodel/status"
    write(status, "pmode:0002")  # the mode that wants a restart
    tuning.apply(wanted(power_mode="7W"))
    (words,) = tuning.restore()
    assert (
        "power_mode is still 7W and was MAXN_SUPER: it could not be put back: this power mode needs a restart" in words
    )
    assert [o["reason"] for o in tuning.apply(wanted(power_mode="15W"))] == [None]
    assert "power_mode is still 15W and was MAXN_SUPER" in Tuning(str(base.parent / "workdir"), str(base)).left[0]
    write(status, "pmode:0002")  # somebody has restarted the board with it
    assert Tuning(str(base.parent / "workdir"), str(base)).left == []
    assert not (base.parent / "workdir" / tune.JOURNAL).exists()


def test_a_restart_has_undone_all_but_the_power_mode(base: Path, tuning: Tuning) -> None:
    tuning.apply(wanted(governor="performance", power_mode="7W"))
    path = base.parent / "workdir" / tune.JOURNAL
    path.write_text(json.dumps([{**change, "boot_id": "before"} for change in json.loads(path.read_text())]))
    assert Tuning(str(path.parent), str(base)).left == []
    assert value(base, "scaling_governor") == "performance"  # somebody's own wish since
    assert (base / "var/lib/nvpmodel/status").read_text().strip() == "pmode:0000"
    assert not path.exists()


@pytest.mark.parametrize(
    "garbage", ["", "[]", "[1, null]", '[{"target": "x"}]', '[{"target": ["../x"], "before": "1"}]']
)
def test_a_journal_of_somebody_else_does_no_harm(base: Path, garbage: str) -> None:
    (base.parent / "workdir" / tune.JOURNAL).write_text(garbage)
    before = content(base)
    assert Tuning(str(base.parent / "workdir"), str(base)).left == []
    assert content(base) == before


# -- through the real supervisor


def tuned(board: Board, base: Path, **more: Any) -> Attached:
    client = board.attach(root=base, **more)
    settings = wanted(governor="performance", power_mode="7W")
    assert [o["reason"] for o in client.ask("tune", settings=settings)["ok"]["tuning"]] == [None, None]
    assert value(base, "scaling_governor") == "performance"
    return client


def is_back(base: Path) -> bool:
    status = (base / "var/lib/nvpmodel/status").read_text().strip()
    return (value(base, "scaling_governor"), status) == ("ondemand", "pmode:0000")


def release(board: Board, client: Attached) -> None:
    assert client.ask("release")["ok"] == {}


def terminate(board: Board, client: Attached) -> None:
    os.kill(board.holder_pid(), signal.SIGTERM)


def lose(board: Board, client: Attached) -> None:
    client.kill()


@pytest.mark.parametrize("ending", [release, terminate, lose])
def test_a_session_leaves_the_board_as_it_was(
    board: Board, base: Path, ending: Callable[[Board, Attached], None]
) -> None:
    client = tuned(board, base, linger_s=0.3)
    ending(board, client)
    assert eventually(lambda: is_back(base))
    assert eventually(lambda: board.processes() == [])
    assert not (board.workdir / tune.JOURNAL).exists()


def test_the_next_session_puts_back_what_a_killed_one_has_changed(board: Board, base: Path) -> None:
    tuned(board, base)
    os.kill(board.holder_pid(), signal.SIGKILL)
    assert eventually(lambda: board.processes() == [])
    assert not is_back(base)
    write(base / "var/lib/nvpmodel/status", "pmode:0002")  # meanwhile somebody
    hello = board.attach("another", root=base).ask("hello")["ok"]
    assert value(base, "scaling_governor") == "ondemand"
    (words,) = hello["left"]
    assert "power_mode: something else has made it MAXN_SUPER since" in words


def test_the_record_says_how_the_board_was_set(ready: Board, base: Path) -> None:
    client = ready.attach(root=base)
    client.ask("tune", settings=wanted(governor="performance", fan=100))
    write(base / "sys/class/hwmon/hwmon2/pwm1", 128)  # such as a daemon for fans
    job = ready.job()
    client.ask("start", job=job)
    client.follow(job["run_id"])
    record = parse_record((ready.workdir / "jobs" / job["run_id"] / "record.json").read_bytes())
    told = [(o["setting"], o["now"], o["reason"]) for o in record["state"]["tuning"]]
    assert told == [("governor", "performance", None), ("fan", "50 %", "something else has changed it since")]
    assert client.ask("tune", settings={"governor": "$(reboot)"})["error"]["type"] == "BadJob"


# -- what root allows


def test_the_documentation_shows_the_root_script() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "board.md").read_text()
    assert f"```text\n{SCRIPT.read_text()}```" in page


@pytest.fixture
def script(base: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The root script, with its paths in the tree and its commands from there."""
    text = (
        SCRIPT.read_text()
        .replace("/sys/", f"{base}/sys/")
        .replace("/run/", f"{base}/")
        .replace("=/usr/sbin:", f"={base}/bin:/usr/sbin:")
    )
    copy = base / "script"
    copy.write_text(text)
    return lambda *words: subprocess.run(["sh", str(copy), *words], capture_output=True, text=True)


def test_the_root_script_does_what_it_is_for(base: Path, script: Any) -> None:
    for words in (
        ("cpufreq", "policy0", "scaling_governor", "performance"),
        ("cpufreq", "policy0", "scaling_min_freq", "1200000"),
        ("fan", "hwmon2", "255"),
        ("power_mode", "1"),
        ("jetson_clocks", "on"),
        ("jetson_clocks", "on"),
    ):
        assert script(*words).returncode == 0, words
    assert (value(base, "scaling_governor"), value(base, "scaling_min_freq")) == ("performance", "1510400")
    assert (base / "sys/class/hwmon/hwmon2/pwm1").read_text() == "255"
    assert (base / "var/lib/nvpmodel/status").read_text().strip() == "pmode:0001"
    script("power_mode", "2")
    assert not (base / "restarted").exists()


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("cpufreq", "policy0", "scaling_governor"),
        ("cpufreq", "policy0", "scaling_governor", "a b"),
        ("cpufreq", "policy0", "scaling_setspeed", "1"),
        ("cpufreq", "policy0/../policy0", "scaling_governor", "performance"),
        ("cpufreq", "policy0\n", "scaling_governor", "performance"),
        ("cpufreq", "policy0", "scaling_min_freq", "1; reboot"),
        ("cpufreq", "policy9", "scaling_governor", "performance"),
        ("fan", "hwmon0", "255"),
        ("fan", "hwmon2/../hwmon2", "255"),
        ("fan", "hwmon2", "-1"),
        ("power_mode", "-f"),
        ("jetson_clocks", "--restore"),
        ("shell", "1"),
    ],
)
def test_the_root_script_refuses_everything_else(base: Path, script: Any, words: tuple[str, ...]) -> None:
    before = content(base) | {str(base / "script"): ""}
    done = script(*words)
    assert done.returncode == 2
    assert "refused" in done.stderr
    assert content(base) | {str(base / "script"): ""} == before


def test_a_user_sets_through_sudo_and_the_script(base: Path, script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    program(
        base / "bin/sudo",
        f'#!/bin/sh\n[ "$1 $2" = "-n {root.SCRIPT}" ] || exit 9\nshift 2\nexec sh {base}/script "$@"\n',
    )
    monkeypatch.setattr(root, "is_root", lambda: False)
    monkeypatch.setattr(root, "_direct", no_permission)
    before = content(base)
    outcomes = Tuning(str(base.parent / "workdir"), str(base)).apply(
        wanted(governor="performance", cpu_mhz=1200, power_mode="7W", fan=100)
    )
    assert [outcome["reason"] for outcome in outcomes] == [None] * 4
    assert Tuning(str(base.parent / "workdir"), str(base)).left == []
    (outcome,) = Tuning(str(base.parent / "workdir"), str(base)).apply(wanted(power_mode="MAXN_SUPER"))
    assert "needs a restart of the board" in outcome["reason"]
    assert "nvpmodel -m 2" in outcome["reason"]
    assert content(base) == before


def no_permission(path: str, text: str) -> None:
    raise PermissionError(13, "Permission denied", path)
