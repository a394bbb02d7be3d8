"""The configuration room: where YAML and overrides become validated cells."""

from orchestrator.config.asked import cells_asked, narrowed, swept
from orchestrator.config.cells import Job, compose_cells
from orchestrator.config.explain import explained
from orchestrator.config.rules import rules
from orchestrator.config.sources import conf_directory, register, take_lab
from orchestrator.config.stored import CONFIG_FILE, Revived, changed_keys, composed_settings, revived
from orchestrator.config.switches import contended as shared_outlets
from orchestrator.lab import LAB_VARIABLE

__all__ = [
    "CONFIG_FILE",
    "LAB_VARIABLE",
    "Job",
    "Revived",
    "cells_asked",
    "changed_keys",
    "compose_cells",
    "composed_settings",
    "conf_directory",
    "explained",
    "narrowed",
    "register",
    "revived",
    "rules",
    "shared_outlets",
    "swept",
    "take_lab",
]
