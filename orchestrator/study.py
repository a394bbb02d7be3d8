"""What a search is told of its cells, when it is pointless to go on, and what it came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from orchestrator import adaptive
from orchestrator.cell import Settings
from orchestrator.errors import ConfigError
from orchestrator.gates import BROKEN, LIMITS, UNKNOWN, Gates, Judged
from orchestrator.measurement import Measurement
from orchestrator.result import Result
from orchestrator.verdict import INVALID
from orchestrator.words import counted

PATIENCE, MORE_PATIENCE = 3, 10
"""Cells that are measured without an objective, or without what a limit is about, before a search is ended; so many
where another device, model or scenario may have it."""
ELSEWHERE = {"device", "model", "scenario"}


class Study:
    """The cells of one adaptive sweep, as they come in; ``told`` is called once for each that the sweeper waits for."""

    def __init__(self, settings: Settings, config: DictConfig) -> None:
        """Raises ConfigError where the settings leave out what the search is about."""
        self._config = config
        self._gates = Gates.of(settings.quality, settings.constraints)
        self.objectives = adaptive.names(settings.objective)
        self._measured: dict[int, tuple[Measurement, Judged]] = {}  # by the number of the cell
        self._overrides: dict[int, set[str]] = {}
        if adaptive.is_adaptive(config) and (wrong := left_out(settings, self.objectives, self._gates)):
            raise ConfigError("\n".join(wrong))

    def told(self, result: Result | None, overrides: Sequence[str]) -> Any:
        """What the sweeper is told of a cell: its own result or that of the one it repeats; None: it has none.

        An invalid measurement is none of this model in this configuration, so it cannot be the best.
        """
        measurement = result.measurement if result is not None else None
        if result is None or measurement is None or self._is_no_answer(measurement):
            return adaptive.nothing(self._config, len(self.objectives))
        judged = self._gates.judged(measurement.metrics, measurement.missing)
        self._measured[result.number] = measurement, judged
        self._overrides.setdefault(result.number, set()).update(overrides)
        return adaptive.value(self._config, measurement.metrics, self.objectives, judged)

    def _is_no_answer(self, measurement: Measurement) -> bool:
        return adaptive.is_adaptive(self._config) and measurement.verdict.level == INVALID

    def must_lead_somewhere(self, swept: Collection[str]) -> None:
        """Raises ConfigError where a search over these axes has measured some cells, and none has what it looks for."""
        patience = MORE_PATIENCE if ELSEWHERE & set(swept) else PATIENCE
        if not adaptive.is_adaptive(self._config) or len(self._measured) < patience:
            return
        names = [*self.objectives, *(LIMITS[limit].metric for limit in self._gates.to_json())]
        for name in dict.fromkeys(names):
            if all(_lacks(m, judged, name) for m, judged in self._measured.values()):
                last = next(reversed(self._measured.values()))[0]
                what = "objective" if name in self.objectives else "what a limit is about"
                raise ConfigError(
                    f"none of the first {counted(len(self._measured), 'cell')} has {name}, {what}:"
                    f" {last.missing.get(name, 'not measured')}",
                    hint="the search is ended; look for something else, or measure it",
                )

    @property
    def warnings(self) -> tuple[str, ...]:
        if self._gates and adaptive.is_adaptive(self._config) and not adaptive.is_optuna(self._config):
            return ("this sweeper is not told of limits (quality, constraints): only the comparison goes by them",)
        return ()

    def words(self, directory: Path) -> list[tuple[str, str]]:
        """The best that it found, and what became of the limits: a word and a line each; none without a study."""
        found = adaptive.best(directory, self.objectives)
        if found is None:
            return []
        lines = [f"{one.words}{self._flagged(one.params)}" for one in found if one.kept]
        lines = list(dict.fromkeys(lines))  # of several objectives a point may stand there twice
        lines = lines or [f"none: {adaptive.NONE_KEPT}{self._nearest()}"]
        return [*(("best", line) for line in lines), *(("limits", line) for line in self._about_limits())]

    def _flagged(self, params: Mapping[str, Any]) -> str:
        judged = self._of(params)
        return f"   {'; '.join(judged.reasons)}" if judged is not None and judged.reasons else ""

    def _of(self, params: Mapping[str, Any]) -> Judged | None:
        asked = {f"{key}={value}" for key, value in params.items()}
        number = next((number for number, words in self._overrides.items() if asked <= words), None)
        return None if number is None else self._measured[number][1]

    def _nearest(self) -> str:
        """The one that breaks the limits least, where it is known of one."""
        broken = {n: judged for n, (_, judged) in self._measured.items() if judged.outcome == BROKEN}
        if not broken:
            return ""
        number = min(broken, key=lambda n: broken[n].excess)
        return f"; cell {number} breaks them least: {'; '.join(broken[number].reasons)}"

    def _about_limits(self) -> Iterator[str]:
        """``quality.max_drop: 2 of 6 cells break it, of 1 it is not known``."""
        for limit in self._gates.to_json():
            key = LIMITS[limit].key
            found = Counter(one.outcome for _, judged in self._measured.values() for one in judged.findings
                            if one.key == key)  # fmt: skip
            unknown = f", of {found[UNKNOWN]} it is not known" if found[UNKNOWN] else ""
            yield f"{key}: {found[BROKEN]} of {counted(len(self._measured), 'cell')} break it{unknown}"


def _lacks(m: Measurement, judged: Judged, name: str) -> bool:
    """Whether the metric is missing, and a limit about it not kept for another reason."""
    if name in m.metrics:
        return False
    about = [one.outcome for one in judged.findings if LIMITS_BY_KEY[one.key] == name]
    return not about or about == [UNKNOWN]


LIMITS_BY_KEY = {limit.key: limit.metric for limit in LIMITS.values()}


def left_out(settings: Settings, objectives: Sequence[str], gates: Gates) -> list[str]:
    """What a search is about and its own settings keep from being measured, each as a line with the way out."""
    names = [*objectives, *(LIMITS[limit].metric for limit in gates.to_json())]
    off = {
        "energy/": ("scenario.energy_s", settings.scenario.energy_s),
        "pipeline/": ("scenario.pipeline_s", settings.scenario.pipeline_s),
        "quality/": ("quality.samples", settings.quality.samples),
    }
    return [
        f"the search is about '{name}', and {key}=0 leaves that out"
        for name in dict.fromkeys(names)
        for begin, (key, value) in off.items()
        if name.startswith(begin) and value == 0
    ]
