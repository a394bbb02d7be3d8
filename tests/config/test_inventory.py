"""The inventory: shipped devices, tags, and what a board says against its entry."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from orchestrator.config import conf_directory
from orchestrator.config.limits import problems
from orchestrator.declared import mismatches
from orchestrator.device import Board, Device, PowerProfile, PowerRange
from orchestrator.errors import ConfigError
from tests.config.composing import jobs, settings_of_words

LINE = "{reader:pmic,slope:1.1,intercept_w:0.5,error:0.1}"
SHIPPED = sorted(path.stem for path in (conf_directory() / "device").glob("*.yaml"))
MIB = 1024 * 1024


@cache
def device_of(name: str) -> Device:
    return settings_of_words(f"device={name}").device


def pool(**more: object) -> Device:
    return Device(
        "pi4",
        ["pi@pi4-01", "pi4-02", "pi4-03"],
        tags={"*": ["rack-a"], "pi4-02": ["heatsink"], "pi4-03": ["heatsink", "nvme"]},
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("name", [name for name in SHIPPED if name not in ("local", "x86")])
def test_a_shipped_board_says_what_it_is(name: str) -> None:
    settings = settings_of_words(f"device={name}")
    device = settings.device
    assert device.name == name and device.cores and device.memory_mb and device.board_model
    assert device.power.load and device.power.source and device.power.scope
    assert problems(settings) == []


def test_where_takes_the_boards_with_all_its_tags() -> None:
    assert [board.name for board in pool().boards] == ["pi4-01", "pi4-02", "pi4-03"]
    assert [board.name for board in pool(where=["heatsink"]).boards] == ["pi4-02", "pi4-03"]
    assert [board.name for board in pool(where=["nvme", "rack-a"]).boards] == ["pi4-03"]
    assert pool().boards[2].tags == ("rack-a", "heatsink", "nvme")


@pytest.mark.parametrize(
    ("words", "key", "allowed"),
    [
        (["device.where=[fan]"], "device.where", "pi4: none"),
        (["+device.tags.pi5=[fan]"], "device.tags", "hosts as device.hosts spells them (pi4)"),
        (["+device.tags.pi4=['a b']"], "device.tags, device.where", "words"),
        (["device.memory_mb=[0]"], "device.memory_mb", "above 0"),
        (
            ["+device.powers={pi5:{idle:null}}"],
            "device.powers",
            "hosts as device.hosts spells them (pi4); device.power",
        ),
        (["+device.powers={pi4:{idle:{low_w:3,high_w:2}}}"], "device.powers.pi4.idle", "low_w not above"),
        (["+device.powers={pi4:{idle:{low_w:3,high_w:-2}}}"], "device.powers.pi4.idle.high_w", "0 to 2000"),
        ([f"device.calibrations=[{LINE},{{{LINE[1:-1]},host:pi5}}]"], "device.calibrations", "(pi4), or '*'"),
        ([f"device.calibrations=[{LINE},{LINE}]"], "device.calibrations", "one line for each host and reader"),
        ([f"device.calibrations=[{LINE.replace('1.1', '-1')}]"], "device.calibrations.0.slope", "0.01 to 100"),
        (["+device.sensor_scopes.ina3221=outlet"], "device.sensor_scopes", "for each glob one of gpu_board"),
        (["device.hosts=[]"], "device.hosts", "at least one"),
        (
            [f"device.hosts=[{'h' * 40}]", "device.hold='{board}{board}{board}'"],
            "device.hold",
            "at most 107 characters",
        ),
    ],
)
def test_wrong_tags_are_named(words: list[str], key: str, allowed: str) -> None:
    found = {problem.key: problem.allowed for problem in problems(settings_of_words("device=pi4", *words))}
    assert allowed in found[key]


def test_hosts_of_the_command_line_make_nothing_wrong_that_the_file_says(tmp_path: Path) -> None:
    said = ["+device.tags.pi4=[fan]", "+device.powers={pi4:{idle:{low_w:2,high_w:3}}}", "device=pi4"]
    with pytest.raises(ConfigError, match=r"device\.powers"):
        jobs(tmp_path, [*said, "+device.powers={pi9:{idle:null}}"])
    (job,) = jobs(tmp_path, [*said, "device.hosts=[pi4-02]"])
    assert job.cell.settings.device.boards[0].power.idle == PowerRange(1.6, 3.4)


def test_boards_that_share_a_kernel_can_be_held_apart() -> None:
    device = Device("pi4", ["pi@127.0.0.1:2201", "127.0.0.1:2202"], hold="lab-{board}")
    assert [board.hold[:-8] for board in device.boards] == ["lab-127.0.0.1-2201-", "lab-127.0.0.1-2202-"]
    assert Board(Device("pi4", ["a"]), "a").hold == "edge-orchestrator"
    alike = Device("pi4", ["a:1", "a-1", "b" * 40 + "1", "b" * 40 + "2"], hold="{board}", workdir="~/w/{board}")
    assert len({board.hold for board in alike.boards}) == len({board.workdir for board in alike.boards}) == 4
    assert alike.boards[1].hold == "a-1" and alike.boards[1].workdir == "~/w/a-1"
    assert max(len(board.hold) for board in alike.boards) == 32 + 9


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"device_tree_model": "Raspberry Pi 4 Model B Rev 1.4", "memory_bytes": 3794 * MIB}, []),
        ({"device_tree_model": None, "memory_bytes": None}, []),
        ({"device_tree_model": "Raspberry Pi 5 Model B Rev 1.0"}, ["calls itself 'Raspberry Pi 5 Model B Rev 1.0'"]),
        ({"memory_bytes": 16000 * MIB}, ["shows 16000 MB of memory"]),
    ],
)
def test_a_board_that_is_another_one_is_noticed(facts: dict[str, object], words: list[str]) -> None:
    found = mismatches(settings_of_words("device=pi4").device, facts)
    assert len(found) == len(words) and all(text in found[i] for i, text in enumerate(words))
    assert mismatches(Device("mine", ["mine"]), facts) == []


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("pi3", "Raspberry Pi 3 Model B Plus Rev 1.3"),
        ("zero2w", "Raspberry Pi Zero 2 W Rev 1.0"),
        ("jetson", "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"),
        ("jetson_nano", "NVIDIA Jetson Nano Developer Kit"),
        ("jetson_orin_nx", "NVIDIA Jetson Orin NX Engineering Reference Developer Kit"),
        ("jetson_agx_orin", "NVIDIA Jetson AGX Orin Developer Kit"),
        ("rock5b", "Radxa ROCK 5B"),
        ("rock5b", "Radxa ROCK 5 Model B"),
    ],
)
def test_names_seen_on_real_boards_are_theirs_alone(name: str, model: str) -> None:
    claimed = [n for n in SHIPPED if not mismatches(device_of(n), {"device_tree_model": model})]
    assert set(claimed) == {name, "local", "x86"}


def test_the_catalogue_in_the_docs_is_that_of_the_files() -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()

    def number(value: float) -> str:
        return f"{value:g}"

    def span(watts: PowerRange | None) -> str:
        if watts is None:
            return "no source"
        return "-".join(dict.fromkeys((number(watts.low_w), number(watts.high_w))))

    for name in set(SHIPPED) - {"local"}:
        device = settings_of_words(f"device={name}").device
        profile: PowerProfile = device.power
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[2].split(" ")[0] == str(device.cores or "-")
        assert cells[3] == (", ".join(number(mb / 1024) for mb in device.memory_mb) or "-")
        assert cells[4] == (", ".join(device.accelerators) or "-")
        assert cells[5].split(" (")[0] == span(profile.idle) and cells[6].split(" (")[0] == span(profile.load)
        assert cells[7] == profile.scope


PLUG = ["device=pi4", "device.meter.kind=shelly"]
POOL = [*PLUG, "device.hosts=[pi4-01,pi4-02]"]
STRIP = [*POOL, "device.meter.address=strip"]
SCPI = ["device=pi4", "device.meter.kind=scpi", "device.meter.scope=board_dc_in"]
COMMAND = ["device=pi4", "device.meter.kind=command", "device.meter.scope=wall_ac"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (PLUG, ["device.meter.address", "an address for each board"]),
        ([*POOL, "device.meter.address=plug1"], ["plug1 of pi4-01, pi4-02", "power of all", "{board}"]),
        ([*POOL, "+device.meter.addresses.pi4-01=plug1"], ["device.meter.address", "by host"]),
        ([*PLUG, "device.meter.address=plug1", "+device.meter.addresses.pi9=x"], ["device.meter.addresses", "pi9"]),
        ([*STRIP, "+device.meter.channels.pi4-01=0"], ["strip, channel 0, of pi4-01, pi4-02", "device.meter.channels"]),
        ([*PLUG, "device.meter.address=plug1", "+device.meter.channels.pi9=1"], ["device.meter.channels", "pi9"]),
        ([*STRIP, "+device.meter.channels.pi4-01=-1"], ["device.meter.channels.pi4-01", "0 to 1000"]),
        ([*COMMAND, "device.meter.command=[x]", "+device.meter.channels.pi4=1"], ["channels", "kind is command"]),
        ([*PLUG, "device.meter.address=p", "device.meter.command=[x]"], ["command", "device.meter.kind is shelly"]),
        ([*PLUG, "device.meter.address=p", "device.meter.query=P?"], ["device.meter.query", "nothing"]),
        (["device=pi4", "device.meter.address=plug1"], ["device.meter.address", "device.meter.kind is none"]),
        (["device=pi4", "device.meter.kind=scpi", "device.meter.address=pm:5025"], ["device.meter.scope"]),
        (COMMAND, ["device.meter.command", "timestamp watts"]),
        ([*COMMAND, "device.meter.command=[x]", "device.meter.address=y"], ["device.meter.address", "command"]),
        ([*COMMAND, "device.meter.command=[x]", "device.hosts=[a,b]"], ["device.meter.command", "of a, b"]),
        (["device=pi4", "device.meter.kind=amperes"], ["device.meter.kind", "shelly, tasmota"]),
        ([*PLUG, "device.meter.address=p", "device.meter.scope=board_dc_in"], ["board_dc_in", "wall_ac: a plug reads"]),
        ([*PLUG, "device.meter.address=http://plug1"], ["'http://plug1'", "host[:port] alone"]),
        ([*SCPI, "device.meter.address=127.0.0.1"], ["'127.0.0.1'", "host:port of its socket"]),
        ([*COMMAND, "device.meter.command=python3 /tmp/x.py"], ["device.meter.command", "[python3, /tmp/x.py]"]),
    ],
)
def test_a_meter_that_is_not_described_well(tmp_path: Path, overrides: list[str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        jobs(tmp_path, overrides)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_nothing_is_said_of_the_keys_of_a_kind_that_there_is_none_of(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        jobs(tmp_path, ["device=pi4", "device.meter.kind=shely", "device.meter.address=p"])
    assert "address" not in str(caught.value)


@pytest.mark.parametrize(
    "word",
    [
        "address=admin:s3cret@plug1",
        "address='http://u:s3cret@p'",
        "address='plug1?password=s3cret'",
        "password_env='s3cret '",
    ],
)
def test_a_password_in_the_inventory_is_refused_and_not_quoted(tmp_path: Path, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        jobs(tmp_path, [*PLUG, f"device.meter.{word}"])
    assert str(caught.value).count("s3cret") == 0


def test_each_board_of_a_pool_has_its_own_meter(tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, [*POOL, "device.meter.address='plug-{board}'"])
    meters = [board.meter for board in job.cell.settings.device.boards]
    assert [meter.address for meter in meters if meter] == ["plug-pi4-01", "plug-pi4-02"]


def test_two_devices_of_a_sweep_have_no_meter_in_common(tmp_path: Path) -> None:
    plug = ["device.meter.kind=shelly", "device.meter.address=plug1"]
    two = (["device=pi4", *plug], ["device=pi5", *plug])
    with pytest.raises(ConfigError, match=r"the same for pi4 \(pi4\) and pi5 \(pi5\): each would get the power"):
        jobs(tmp_path, *two)
    jobs(tmp_path, *two[:1], [*two[1], "device.meter.channel=1"], [*two[0], "threads=2", "device.cores=4"])
    jobs(tmp_path, *([*words, "device.machine=bench"] for words in two))  # they take turns


def test_a_pool_shares_a_strip(tmp_path: Path) -> None:
    (job,) = jobs(tmp_path, [*STRIP, "device.meter.channel=2", "+device.meter.channels.pi4-02=1"])
    meters = [board.meter for board in job.cell.settings.device.boards]
    assert [(meter.address, meter.channel) for meter in meters if meter] == [("strip", 2), ("strip", 1)]
