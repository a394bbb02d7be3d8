"""Secrets leave addresses, and nothing else does."""

from __future__ import annotations

import pytest

from orchestrator.invocation import Invocation
from orchestrator.redact import redacted, secrets_in, shown, without

CUT = {
    "uri=http://u:p@host:80/x y": "uri=http://***@host:80/x y",
    "http://usr:s3@cret@h": "http://***@h",
    "http://usr@h/x": "http://***@h/x",
    "http://h/x?token=s3cret": "http://h/x?***",
    "tracking.uri='http://h/x?token=s3cret' a=b": "tracking.uri='http://h/x?***' a=b",
    "postgresql://h/db?user=u&password=p": "postgresql://h/db?***",
    "postgresql://u:p/w@h/db": "postgresql://***@h/db",
    "http://u:p?w@h/x?token=s3cret": "http://***@h/x?***",
    'a "mysql+pymysql://u:p@h/d" and http://v:q@i?t=1': 'a "mysql+pymysql://***@h/d" and http://***@i?***',
}
KEPT = (
    "sqlite:////home/me@lab/mlflow.db",
    "http://127.0.0.1:5000",
    "http://[::1]:5000/x",
    "http://h:80/path@2",
    "what? user@host says a/b?c",
    "",
)


@pytest.mark.parametrize("text", CUT)
def test_secrets_are_cut(text: str) -> None:
    assert redacted(text) == CUT[text]


@pytest.mark.parametrize("text", [*KEPT, *CUT.values()])
def test_the_rest_stays_also_the_second_time(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    "command",
    [
        "[mosquitto_sub,-P,s3cret]",
        "[mosquitto_sub, '-P', 's3cret', -t, plug]",
        "[sh,-c,'x --password s3cret']",
        "[curl,http://u:s3cret@h/x]",
        "[curl,-uadmin:s3cret,h]",
        "[curl,--user=admin:s3cret,h]",
        "[sh,-c,'curl --user admin:s3cret h']",
        "[curl,-H,'Authorization: Bearer s3cret',h]",
        "[curl,'-HX-Api-Key: s3cret',h]",
        "[watts,login,password:s3cret]",
        '[watts,\'{"password": "s3cret"}\']',
    ],
)
def test_a_password_of_a_meter_s_command_is_found_on_the_command_line(command: str) -> None:
    word = f"device.meter.command={command}"
    found = secrets_in(["device=pi4", f"+{word}"])
    assert "s3cret" not in without(f"python -m orchestrator device=pi4 {word}", found)
    assert secrets_in(["device=pi4", "model.path=/a/-P,b"]) == frozenset()


@pytest.mark.parametrize("word", ["-u", "-uc", "unit:W", "http://h:80/x", "auth://h", "host:5025", "-url=http://h/x"])
def test_what_is_no_password_of_a_command_is_shown(word: str) -> None:
    assert shown(["watts", word]) == f"watts {word}"


def test_an_invocation_keeps_none() -> None:
    words = ["device.meter.command=[mosquitto_sub,-P,s3cret]"]
    said = Invocation(words)._without_secrets(f"- {words[0]}\n")
    assert said == "- device.meter.command=[mosquitto_sub,-P,***]\n"
