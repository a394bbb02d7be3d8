"""What a board is, which runtime serves it, and getting that onto it."""

from orchestrator.provisioning import deploy
from orchestrator.provisioning.deploy import Program, Room
from orchestrator.provisioning.runtimes import RuntimeChoice, choose, package
from orchestrator.provisioning.survey import Facts, NoWorkFolder, facts
from orchestrator.provisioning.wheels import Environment, NotFetched, is_kept, packed_bytes, prepare

__all__ = [
    "Environment",
    "Facts",
    "NoWorkFolder",
    "NotFetched",
    "Program",
    "Room",
    "RuntimeChoice",
    "choose",
    "deploy",
    "facts",
    "is_kept",
    "package",
    "packed_bytes",
    "prepare",
]
