from __future__ import annotations

from tests.sshd import home, local_board, local_server, sshd, start_sshd

__all__ = ["home", "local_board", "local_server", "sshd", "start_sshd"]
