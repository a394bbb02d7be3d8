"""A command that prints: its time stamps, its end, and what it leaves behind."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from pathlib import Path

import pytest

from orchestrator.device import Meter
from orchestrator.errors import MeterError
from orchestrator.meters import Missed, Reading, probe
from orchestrator.meters.command import Command
from orchestrator.session.metering import named
from tests.meters.servers import FakeTime


def settings(code: str, **more: object) -> Meter:
    return Meter("command", command=[sys.executable, "-c", code], scope="board_dc_in", **more)  # type: ignore[arg-type]


def lines(fake: FakeTime, *ages_s: float) -> str:
    """Prints readings that are so old by the wall clock, as it is now."""
    now_s = fake.wall_s + fake.now_s
    return (
        "import time\n" + "".join(f"print('{now_s - age:.6f} 5.5', flush=True)\n" for age in ages_s) + "time.sleep(9)"
    )


def read(meter: Command, count: int) -> list[Reading | Missed]:
    meter.open()
    return list(itertools.islice(meter.readings(threading.Event()), count))


def test_time_stamps_come_onto_the_monotonic_clock() -> None:
    fake = FakeTime()
    meter = Command(settings(lines(fake, 0.3, 0.2, 0.1)), fake.clocks)
    found = read(meter, 3)
    assert [item.t_s for item in found if isinstance(item, Reading)] == pytest.approx([999.7, 999.8, 999.9])
    assert meter.ended().invalid is None
    meter.close()


def test_a_clock_that_was_set_meanwhile_is_no_reading() -> None:
    """Naively, time.time() at the end would move all of them by those 80 ms, and nobody would know."""
    fake = FakeTime()
    meter = Command(settings(lines(fake, 0.3, 0.2)), fake.clocks)
    read(meter, 2)
    fake.wall_s += 0.08
    assert "was set by +0.08 s" in str(meter.ended().invalid)
    fake.wall_s -= 0.08  # and back: it was set all the same
    assert "was set by" in str(meter.ended().invalid)
    meter.close()
    fake.wall_s += 0.04  # as little as the clocks of a meter and a board may be apart
    read(meter, 1)
    fake.wall_s += 0.04
    assert meter.ended().invalid is None
    meter.close()


@pytest.mark.parametrize(
    ("ages_s", "words"),
    [((-0.2, -0.3), "up to 0.3 s in the future"), ((3.0, 2.9, 0.1), "came 2.9 s after their time stamps")],
)
def test_time_stamps_that_cannot_be(ages_s: tuple[float, ...], words: str) -> None:
    fake = FakeTime()
    meter = Command(settings(lines(fake, *ages_s)), fake.clocks)
    found = read(meter, len(ages_s))
    assert words in str(meter.ended().invalid)
    assert all(isinstance(item, Missed) == (age > 0.5) for item, age in zip(found, ages_s, strict=True))
    meter.close()


def test_what_it_may_print() -> None:
    printed = "# head\\n- 5\\nnow,6\\n\\nnonsense\\n1 2 3\\n- nan\\nnan 5\\ninf 5\\n5 7\\n5 7"
    code = f"import time; print('{printed}', flush=True); time.sleep(9)"
    meter = Command(settings(code, lag_s=600))
    found = read(meter, 9)
    assert [item.watts for item in found if isinstance(item, Reading)] == [5, 6]
    whys = [item.why for item in found if isinstance(item, Missed)]
    words = ("nonsense", "1 2 3", "no number", "nan 5", "inf 5", "after its time stamp", "after its time stamp")
    assert [word in why for word, why in zip(words, whys, strict=True)] == [True] * len(words)
    meter.close()


def test_it_is_ended_with_everything_that_it_started(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"child = subprocess.Popen(['sleep', '60'])\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "print('- 5', flush=True); time.sleep(60)"
    )
    assert probe(Command(settings(code)))[1].watts == 5
    pid = int((tmp_path / "pid").read_text())
    end = time.monotonic() + 5
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < end, "its child is still there"
        time.sleep(0.01)


def test_its_own_last_words_are_quoted() -> None:
    code = "import sys; print('- 5'); sys.exit('no device: is it plugged in?')"
    meter = Command(settings(code))
    meter.open()
    with pytest.raises(MeterError, match=r"exit status 1: no device: is it plugged in\?"):
        list(meter.readings(threading.Event()))
    meter.close()
    with pytest.raises(MeterError, match="cannot be started: No such file"):
        Command(Meter("command", command=["no-such-program"], scope="wall_ac")).open()


@pytest.mark.parametrize("said", ["", "print('# nothing yet', flush=True)", "print(flush=True)"])
def test_what_is_no_reading_does_not_renew_the_patience(said: str) -> None:
    silent = Command(settings(f"import time\nwhile True: {said or 'pass'}; time.sleep(0.02)", timeout_s=0.1))
    silent.open()
    stop = threading.Event()
    late = threading.Timer(5, stop.set)
    late.start()
    assert "printed no reading" in str(next(silent.readings(stop), None))
    late.cancel()
    silent.close()


def test_another_script_is_another_instrument_and_another_password_is_none(tmp_path: Path) -> None:
    for name in ("shunt.py", "hall.py"):
        (tmp_path / name).write_text("print('- 5', flush=True); input()")

    def source(*arguments: str) -> str:
        return probe(Command(Meter("command", command=[sys.executable, *arguments], scope="wall_ac")))[0].source

    shunt, hall = str(tmp_path / "shunt.py"), str(tmp_path / "hall.py")
    assert " hall.py (" in source("-u", hall)
    given = [(shunt, "a"), (shunt, "b"), (hall, "a"), (hall, "a", "--password", "old")]
    sources = [source(*arguments) for arguments in given]
    assert len(set(sources)) == len(sources)
    assert source(hall, "a", "--password", "new") == sources[-1]


SPELLINGS = (["-P", "s3/cret"], ["--mqtt-password=s3/cret"], ["-u", "me:s3/cret"], ["http://me:s3%2Fcret@plug/rpc?a=1"])


@pytest.mark.parametrize("words", SPELLINGS)
def test_no_secret_of_a_command_is_kept_or_shown(words: list[str]) -> None:
    code = "import sys; print(*sys.argv[1:]); print('- 5', flush=True); sys.exit('refused: ' + sys.argv[-1])"
    settings = Meter("command", command=[sys.executable, "-c", code, *words], scope="wall_ac")
    meter = Command(settings)
    seen = [*meter.open().details.values()]
    with pytest.raises(MeterError) as caught:
        for item in meter.readings(threading.Event()):
            seen += [item.why] if isinstance(item, Missed) else []
    meter.close()
    for text in (*seen, str(caught.value), named(settings)):
        assert "cret" not in text
    assert "***" in str(caught.value)


def test_no_descriptor_is_left() -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    meter = Command(settings("print('- 5', flush=True); input()"))
    read(meter, 1)
    meter.close()
    meter.close()
    assert count() == before
