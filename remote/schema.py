"""Small checkers for untrusted JSON data; each returns the value or raises an error naming the path."""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing costs a board 10 ms at every start
if TYPE_CHECKING:
    from typing import Any, Callable

    Checker = Callable[[Any, str], Any]

MAX_INTEGER = 2**63 - 1


class ContractError(ValueError):
    """Data that breaks the contract; ``path`` says where, as in ``record.processes[1].load_ns``."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__("%s: %s" % (path, message))
        self.path = path
        self.message = message


LARGEST = 1.7976931348623157e308
"""Of a float; JSON may hold whole numbers beyond it, which cannot even be asked whether they are finite."""


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, (int, float, str, bool, type(None))) else type(value).__name__
    return text if len(text) <= 60 else text[:57] + "..."


def _breaks(character: str) -> bool:
    """Half of a surrogate pair, which no file takes, or a control character, which a terminal obeys."""
    code = ord(character)
    return 0xD800 <= code <= 0xDFFF or (code < 0x20 and character not in "\n\t") or 0x7F <= code <= 0x9F


def is_clean(value: str) -> bool:
    """Whether a text can go to a file and to a terminal as it is."""
    return value.isprintable() or not any(map(_breaks, value))


def clean(value: str, limit: int = 10**9) -> str:
    """The text with what :func:`text` refuses written as an escape, then cut: for words from elsewhere (a model, a
    runtime, a file name) on their way into a record."""
    if not is_clean(value):
        value = value.replace("\r\n", "\n").encode("utf-8", "backslashreplace").decode("utf-8")
        value = "".join("\\x%02x" % ord(letter) if _breaks(letter) else letter for letter in value)
    return value[:limit]


def cleaned(data: Any) -> Any:
    """The same data with every text clean; a list of numbers, which may hold millions, is not walked through."""
    if isinstance(data, str):
        return clean(data)
    if isinstance(data, dict):
        return {cleaned(key): cleaned(value) for key, value in data.items()}
    if isinstance(data, list) and data and not isinstance(data[0], (int, float)):
        return [cleaned(value) for value in data]
    return data


def integer(low: int = 0, high: int = MAX_INTEGER) -> Checker:
    """A whole number from low to high; True and False are none."""

    def check(value: Any, path: str) -> Any:
        if type(value) is not int or not low <= value <= high:
            raise ContractError(path, "%s is no whole number from %d to %d" % (_shown(value), low, high))
        return value

    return check


def number(low: float = -1e18, high: float = 1e18) -> Checker:
    """A finite number from low to high."""

    def check(value: Any, path: str) -> Any:
        if type(value) not in (int, float) or not abs(value) <= LARGEST or not low <= value <= high:
            raise ContractError(path, "%s is no finite number from %g to %g" % (_shown(value), low, high))
        return value

    return check


def text(limit: int = 500, allowed: str = "") -> Checker:
    """A string of at most ``limit`` characters that is clean; with ``allowed``, a regular expression, all of it
    matching."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, str) or len(value) > limit:
            raise ContractError(path, "%s is no text of at most %d characters" % (_shown(value), limit))
        if not is_clean(value):
            raise ContractError(path, "%s holds a control character or half a surrogate pair" % ascii(value)[:60])
        if allowed:
            import re

            if not re.fullmatch(allowed, value):
                raise ContractError(path, "%s does not match %s" % (_shown(value), allowed))
        return value

    return check


def flag(value: Any, path: str) -> Any:
    """True or False."""
    if not isinstance(value, bool):
        raise ContractError(path, "%s is neither true nor false" % _shown(value))
    return value


def one_of(*words: str) -> Checker:
    """One of a few words."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, str) or value not in words:
            raise ContractError(path, "%s is none of %s" % (_shown(value), ", ".join(words)))
        return value

    return check


def all_of(*checks: Checker) -> Checker:
    """What all of them take, one after the other."""

    def check(value: Any, path: str) -> Any:
        for inner in checks:
            value = inner(value, path)
        return value

    return check


def exactly(expected: int) -> Checker:
    """One number and no other."""

    def check(value: Any, path: str) -> Any:
        if type(value) is not int or value != expected:
            raise ContractError(path, "%s is not %d" % (_shown(value), expected))
        return value

    return check


def maybe(inner: Checker) -> Checker:
    """What ``inner`` takes, or null."""

    def check(value: Any, path: str) -> Any:
        return None if value is None else inner(value, path)

    return check


def many(inner: Checker, limit: int, least: int = 0) -> Checker:
    """A list of ``least`` to ``limit`` entries."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, list) or not least <= len(value) <= limit:
            shown = "a list of %d" % len(value) if isinstance(value, list) else _shown(value)
            raise ContractError(path, "%s is no list of %d to %d entries" % (shown, least, limit))
        return [inner(entry, "%s[%d]" % (path, index)) for index, entry in enumerate(value)]

    return check


def integers(limit: int, low: int = 0) -> Checker:
    """A long list of whole numbers; checked without a path per entry, since a record holds millions."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, list) or len(value) > limit:
            raise ContractError(path, "%s is no list of at most %d entries" % (type(value).__name__, limit))
        for index, entry in enumerate(value):
            if type(entry) is not int or not low <= entry <= MAX_INTEGER:
                raise ContractError("%s[%d]" % (path, index), "%s is no whole number" % _shown(entry))
        return list(value)

    return check


def pair(first: Checker, second: Checker) -> Checker:
    """A list of exactly two."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, list) or len(value) != 2:
            raise ContractError(path, "%s is no pair" % _shown(value))
        return [first(value[0], path + "[0]"), second(value[1], path + "[1]")]

    return check


def fields(shape: dict[str, Checker]) -> Checker:
    """An object with exactly these keys: a missing and an unknown one are both refused."""

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise ContractError(path, "%s is no object" % _shown(value))
        for key in value:
            if key not in shape:
                raise ContractError(path, "unknown key %s" % _shown(key))
        for key in shape:
            if key not in value:
                raise ContractError(path, "key '%s' is missing" % key)
        return {key: inner(value[key], "%s.%s" % (path, key)) for key, inner in shape.items()}

    return check


def texts(limit: int, length: int) -> Checker:
    """An object of at most ``limit`` texts under names of the writer's choice."""
    inner = text(length)

    def check(value: Any, path: str) -> Any:
        if not isinstance(value, dict) or len(value) > limit:
            raise ContractError(path, "%s is no object of at most %d entries" % (_shown(value), limit))
        return {text(100)(key, path): inner(entry, "%s.%s" % (path, key)) for key, entry in value.items()}

    return check
