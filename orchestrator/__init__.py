"""Declarative experiments on edge boards over SSH."""

__version__ = "0.1.0"
