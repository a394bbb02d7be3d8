"""What Hydra is given back, and what a sweep is called."""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from omegaconf import DictConfig, OmegaConf

from orchestrator.config import Job


def sweep_id(directory: Path) -> str:
    """``20261124-152307-4f34cd`` from ``2026-11-24/15-23-07-4f34cd``.

    Any other layout: the folder's name and something random, since a board and a tracker tell sweeps apart by it.
    """
    found = re.fullmatch(r"(\d+)-(\d+)-(\d+)/(\d+)-(\d+)-(\d+)-([0-9a-f]+)", "/".join(directory.parts[-2:]))
    if found:
        return "{}{}{}-{}{}{}-{}".format(*found.groups())
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", directory.name).strip("-.")[:50]
    return f"{name or 'sweep'}-{secrets.token_hex(3)}"


def returned(job: Job, value: Any) -> JobReturn:
    """What a Hydra sweeper wants back; a failed cell is a value as well, since an exception would end the sweep."""
    hydra: DictConfig = OmegaConf.masked_copy(job.config, ["hydra"])
    task = OmegaConf.masked_copy(job.config, [str(key) for key in job.config if key != "hydra"])
    done = JobReturn(list(job.overrides), task, hydra, str(job.cell.directory), "orchestrator")
    done.status = JobStatus.COMPLETED
    done.return_value = value
    return done
