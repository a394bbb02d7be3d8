"""Structured pruning: channels leave the graph, so that dense kernels have less to do. Keras: worker only."""

from orchestrator.builder.channels.rebuild import copied
from orchestrator.builder.channels.thin import Thinned, thinned

__all__ = ["Thinned", "copied", "thinned"]
