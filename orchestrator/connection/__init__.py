"""Reaching boards over SSH: who they are, that it is really them, commands, files and streams."""

from orchestrator.connection.client import Connection, Output, connect
from orchestrator.connection.localserver import LocalServer
from orchestrator.connection.stream import ProgramEnded, Stream

__all__ = ["Connection", "LocalServer", "Output", "ProgramEnded", "Stream", "connect"]
