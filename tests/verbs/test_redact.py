"""Secrets leave addresses, and nothing else does."""

from __future__ import annotations

import pytest

from orchestrator.redact import redacted

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
