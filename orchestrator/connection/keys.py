"""Proving who we are: key files, default keys and the agent, in the order that ``ssh`` tries them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm

from orchestrator.connection.address import Hop

DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True, slots=True)
class Offer:
    """A key, or why there is none, under a name for messages."""

    name: str
    key: paramiko.PKey | None
    reason: str = ""


class Keys:
    """Stands in for paramiko's own key search: that one reports the failure of whichever file it read last.

    Given to ``SSHClient.connect`` as ``auth_strategy``, which calls :meth:`authenticate` and nothing else.
    """

    def __init__(self, hop: Hop, key: paramiko.PKey | None = None) -> None:
        self._hop, self._key = hop, key

    def authenticate(self, transport: paramiko.Transport) -> list[str]:
        """Try each key.

        Raises AuthenticationException with what became of every one of them. Anything else that paramiko raises
        while the transport dies goes through: a lost link is no refusal.
        """
        tried: list[str] = []
        agent = paramiko.Agent() if self._uses_agent else None
        try:
            for offer in self._offers(agent):
                refusal = self._try(transport, offer)
                if refusal is None:
                    return []
                tried.append(f"{offer.name}: {refusal}")
        finally:
            if agent is not None:
                agent.close()
        raise paramiko.AuthenticationException("; ".join(tried) or "there is no key to try")

    def _try(self, transport: paramiko.Transport, offer: Offer) -> str | None:
        if offer.key is None:
            return offer.reason
        try:
            further = transport.auth_publickey(self._hop.user, offer.key)
        except paramiko.BadAuthenticationType as error:
            return f"the server takes only {', '.join(error.allowed_types)}"
        except paramiko.AuthenticationException as error:
            if not transport.is_active():
                raise paramiko.AuthenticationException(f"{offer.name}: the server hung up after it") from error
            return "refused"
        return f"accepted, but the server also wants {', '.join(further)}" if further else None

    @property
    def _uses_agent(self) -> bool:
        return self._key is None and not self._hop.identities_only

    def _offers(self, agent: paramiko.Agent | None) -> Iterator[Offer]:
        if self._key is not None:
            yield Offer("one-shot key", self._key)
            return
        for path in self._hop.identities:
            yield _load(path)
        if agent is not None:
            for key in agent.get_keys():
                yield Offer(f"agent key {key.comment or key.get_name()}", key)
        if not self._hop.identities:
            home = Path("~/.ssh").expanduser()
            yield from (_load(home / name) for name in DEFAULT_KEYS if (home / name).is_file())


def _load(path: Path) -> Offer:
    try:
        return Offer(str(path), paramiko.PKey.from_path(path))
    except (TypeError, paramiko.PasswordRequiredException):
        return Offer(str(path), None, f"is locked by a passphrase; unlock it with: ssh-add {path}")
    except (ValueError, UnsupportedAlgorithm, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        return Offer(str(path), None, "is no private key that can be read")
    except OSError as error:
        return Offer(str(path), None, f"cannot be read ({error.strerror})")
