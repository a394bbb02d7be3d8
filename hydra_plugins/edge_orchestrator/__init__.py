"""What Hydra finds by its namespace: our launcher, and the lab's folder before the shipped configuration.

Hydra imports this at every start, so it holds nothing but three shims.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from orchestrator.lab import LAB_VARIABLE


class LabSearchPath(SearchPathPlugin):
    """Puts the lab's folder first; with Hydra's own ``--config-dir`` a shipped file of the same name would win."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        lab = os.environ.get(LAB_VARIABLE)
        if lab and any(item.provider == "main" for item in search_path.get_path()):
            search_path.prepend(provider="lab", path=f"file://{lab}", anchor="main")


class MatrixSweeper(BasicSweeper):
    """Hydra's own sweeper, which composes every cell once to see whether it can, and once more to run it.

    Our launcher validates whole batches before anything runs, so the first time is left out: half the time of a plan.
    """

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        return None


class FleetLauncher(Launcher):
    """Hands all jobs of a batch to the orchestrator at once; runs none of them as a Hydra job.

    Hydra's ``run_job`` swaps process-wide state (HydraConfig, root logger, working directory), which rules out
    running boards in parallel through it.
    """

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.config = config
        from orchestrator.app import prepare

        prepare(hydra_context.config_loader, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from orchestrator.app import launch

        return launch(self.hydra_context.config_loader, self.config, job_overrides, initial_job_idx)


# Plain mappings: Hydra executes this module outside sys.modules, where a dataclass cannot be made.
ConfigStore.instance().store(
    group="hydra/launcher",
    name="fleet",
    node={"_target_": "hydra_plugins.edge_orchestrator.FleetLauncher"},
    provider="edge_orchestrator",
)
