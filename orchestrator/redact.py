"""No secret of an address or a command gets into a file, a terminal or a tracker."""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import quote, quote_plus

_SPLIT_PASSWORD = re.compile(r"""(?<=://)[^/\s"'@\[\]]+:(?!\d*(?:[/?\s"']|$))[^\s"']*@""")
"""``u:p/w@``: SQLAlchemy takes a slash in a password. ``host:80/x@y`` is none: what follows its colon is a port."""
_USER = re.compile(r"""(?<=://)[^/\s"']+@""")
_QUERY = re.compile(r"""(://[^\s"'?]*\?)[^\s"']*""")

BLOT = "***"

_NAMES = (
    r"(?i:(?:\w+[-_])*(?:pass(?:word|wd|phrase)?|pwd?|secret|token|api[-_]?key|auth(?:orization)?|credentials?)"
    r"(?:[-_]\w+)*)"
)
_OPTION = rf"(?:-P|--?{_NAMES})"
_USERS = r"(?:-[uU]\s*|--(?:proxy-)?user[=\s]\s*)"
_SCHEMES = r"(?:(?i:bearer|basic|token|apikey)\s+)"
_SECRETS = (
    re.compile(rf"(?:^|[\s?&;'\"-]){_NAMES}=['\"]?(?P<secret>[^\s&'\"]+)"),
    re.compile(rf"(?:^|\s){_OPTION}\s+['\"]?(?P<secret>[^\s'\"]+)"),  # of a word that is a line of a shell
    re.compile(r"^-P(?P<secret>.+)", re.DOTALL),
    re.compile(rf"^{_USERS}[^\s:=/]*:(?P<secret>.+)", re.DOTALL),
    re.compile(rf"\s{_USERS}['\"]?[^\s:=/'\"]*:(?P<secret>[^\s'\"]+)"),
    # A header, or a pair of JSON or YAML; the scheme of an authorization is no secret.
    re.compile(rf"(?:^|[\s?&;{{,'\"-]|-H){_NAMES}['\"]?\s*:(?!//)\s*{_SCHEMES}?['\"]?(?P<secret>[^\s,'\"}}]+)"),
    re.compile(r"://[^/\s:@]+:(?P<secret>[^\s@]+)@"),
)

_COMMANDS = ("meter.command", "power_switch.turn_on", "power_switch.turn_off")


def redacted(text: str) -> str:
    """``text`` in which every address has lost its ``user:password@`` and its query, where tokens are.

    Works on any text, also twice. What was cut shows as ``***``: an address without it can be used as it stands.
    """
    text = _SPLIT_PASSWORD.sub(f"{BLOT}@", text)
    text = _USER.sub(f"{BLOT}@", text)
    return _QUERY.sub(rf"\g<1>{BLOT}", text)


def shown(argv: Sequence[str]) -> str:
    """A command as people may see it."""
    return redacted(without(" ".join(argv), secrets_of(argv)))


def secrets_of(argv: Sequence[str]) -> frozenset[str]:
    """What looks like a password in a command: by its option (``-P``, ``--password``, ``-u user:``), its name or in a
    header (``Authorization:``)."""
    return frozenset(filter(None, _secrets_of(argv)))


def secrets_in(overrides: Sequence[str]) -> frozenset[str]:
    """What looks like a password in a command of a meter or a power switch that was given on the command line, before
    it is composed."""
    lists = [value for key, _, value in (word.partition("=") for word in overrides) if key.endswith(_COMMANDS)]
    commands = [[item.strip(" '\"") for item in re.split(r"[\[\],]", value)] for value in lists]
    return frozenset().union(*map(secrets_of, commands))


def _secrets_of(argv: Sequence[str]) -> Iterator[str]:
    for before, word in itertools.pairwise(["", *argv]):
        if re.fullmatch(_OPTION, before):
            yield word
        if before in ("-u", "-U", "--user", "--proxy-user"):
            yield word.partition(":")[2]
        yield from (found["secret"] for pattern in _SECRETS for found in pattern.finditer(word))


def without(text: str, secrets: Collection[str]) -> str:
    """``text`` in which none of the secrets stands, also not as addresses, HTML and JSON spell it."""
    forms = {form for secret in secrets for form in (secret, *_spelled(secret)) if form}
    if not forms:
        return text
    longest_first = sorted(forms, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), BLOT, text, flags=re.IGNORECASE)


def _spelled(secret: str) -> Iterator[str]:
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield from (html.escape(secret), html.escape(secret, quote=False))
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
