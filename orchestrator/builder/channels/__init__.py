"""Structured pruning: channels leave the graph, so that dense kernels have less to do. Keras: worker only."""

from orchestrator.builder.channels.prune import Thinned, thinned

__all__ = ["Thinned", "thinned"]
