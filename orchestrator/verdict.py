"""Whether a measurement can be believed: fixed rules over named evidence, each reason with its numbers."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from remote.contract import MODES

VALID, SUSPECT, INVALID = "valid", "suspect", "invalid"

_HOLDS = {">=": operator.ge, ">": operator.gt, "<": operator.lt}


@dataclass(frozen=True, slots=True)
class Rule:
    """``quantity when limit`` makes a measurement ``level``; ``says`` has places for ``{value}``, ``{limit}`` and
    any ``{evidence[...]}``. In modes that are not among ``modes`` there is no such rule."""

    level: str
    quantity: str
    when: str
    limit: float
    says: str
    modes: tuple[str, ...] = MODES

    def reason(self, value: float, evidence: Mapping[str, float | None]) -> str | None:
        if not _HOLDS[self.when](value, self.limit):
            return None
        return self.says.format(value=value, limit=self.limit, evidence=evidence)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``unchecked`` names the rules that could not be applied because the board does not tell."""

    level: str
    reasons: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


# invalid: the numbers are not those of this artifact in this configuration; kept, listed, never a baseline.
# suspect: they may be, but something was unsteady; shown with the reason.
# Sources of the limits: 5 % and 10 % of spread and CV are pyperf's stability warnings (doc/run_benchmark.rst); the
# throttle bits are documented under vcgencmd by Raspberry Pi; the others are this project's own.
# A sustained scenario is there to heat the board and to see what that does: neither throttling nor drift speaks
# against it, nor that one long window is all there is. Of parallel streams the calls wait for each other: they vary.
STEADY = ("single_stream", "offline")
RULES: tuple[Rule, ...] = (
    Rule(INVALID, "output_variants", ">", 1, "processes gave {value:.0f} different outputs for the same input"),
    Rule(INVALID, "not_finite_outputs", ">", 0, "output was not finite (NaN or infinite) in {value:.0f} processes"),
    Rule(
        INVALID,
        "live_throttle_samples",
        ">",
        0,
        "throttled or under-voltage in {value:.0f} samples of board state",
        STEADY,
    ),
    Rule(
        INVALID, "under_voltage_samples", ">", 0, "under-voltage in {value:.0f} samples of board state", ("sustained",)
    ),
    Rule(
        INVALID,
        "new_throttle_bits",
        ">",
        0,
        "was throttled or under-voltage meanwhile ({value:.0f} new bits set)",
        STEADY,
    ),
    Rule(INVALID, "over_current_events", ">", 0, "slowed down for over-current {value:.0f} times", STEADY),
    Rule(INVALID, "throttle_events", ">", 0, "the CPU slowed down for its heat ({value:.0f} counts)", STEADY),
    Rule(
        INVALID,
        "clock_low_share",
        ">",
        0.01,
        "a clock was below 95% of the pinned one in {value:.0%} of the samples, limit {limit:.0%}",
        STEADY,
    ),
    Rule(SUSPECT, "untuned", ">", 0, "{value:.0f} of the settings in device.tune not as asked for"),
    Rule(SUSPECT, "governors", ">", 1, "the governor changed"),
    Rule(SUSPECT, "gate_excess_c", ">", 0, "began {value:.1f} °C above device.cool_to_c"),
    Rule(SUSPECT, "mismatches", ">", 0, "the board is not what the inventory declares"),
    Rule(
        SUSPECT,
        "processes",
        "<",
        3,
        "only {value:.0f} process(es), {limit:.0f} needed to see how far they differ",
        STEADY,
    ),
    Rule(SUSPECT, "runs", "<", 10, "only {value:.0f} runs in a process, {limit:.0f} needed"),
    Rule(
        SUSPECT,
        "share_of_runs",
        "<",
        1,
        "window ended at max_window_s with {evidence[runs]:.0f} of {evidence[asked_runs]:.0f} runs",
    ),
    Rule(SUSPECT, "process_spread", ">=", 0.05, "medians of the processes differ by {value:.1%}, limit {limit:.0%}"),
    Rule(SUSPECT, "cv", ">=", 0.10, "runs vary by {value:.1%} (CV), limit {limit:.0%}", ("single_stream",)),
    Rule(
        SUSPECT, "drift", ">=", 0.05, "runs drifted by {value:.1%} from first to last third, limit {limit:.0%}", STEADY
    ),
    Rule(
        SUSPECT,
        "early_excess",
        ">=",
        0.05,
        "warm-up too short: the first runs took {value:.1%} longer than the rest, limit {limit:.0%}",
        STEADY,
    ),
    Rule(
        SUSPECT,
        "slow_first_values",
        ">",
        0.5,
        "warm-up too short: the first run is an outlier in {value:.0%} of the processes",
        STEADY,
    ),
    Rule(
        SUSPECT,
        "involuntary_switches_per_s",
        ">",
        10,
        "interrupted {value:.1f} times/s by other work, limit {limit:.0f}",
    ),
    Rule(SUSPECT, "foreign_cpu_cores", ">", 0.3, "other programs used {value:.2f} cores, limit {limit:.1f}"),
    Rule(
        SUSPECT,
        "sanity_ratio",
        ">",
        2,
        "took {value:.1f} times what is published for this board and model, limit {limit:.0f}: "
        "likely no XNNPACK, fewer threads, throttled, or 32-bit code",
    ),
    Rule(
        SUSPECT,
        "sanity_ratio",
        "<",
        0.5,
        "took only {value:.2f} times what is published for this board and model, limit {limit:.1f}: "
        "likely another board, model or input size than it says",
    ),
    Rule(
        SUSPECT,
        "sticky_throttle_bits",
        ">",
        0,
        "board was throttled or under-voltage since boot ({value:.0f} bits set)",
        STEADY,
    ),
)


def judge(
    evidence: Mapping[str, float | None],
    mode: str = "single_stream",
    details: Mapping[str, str] | None = None,
    rules: Sequence[Rule] = RULES,
) -> Verdict:
    """Apply all rules of a mode; the worst one decides. Evidence that is None or absent is listed as unchecked.

    ``details``: words by quantity that are added to its reason.
    """
    reasons: dict[str, list[str]] = {INVALID: [], SUSPECT: []}
    unchecked = []
    for rule in (rule for rule in rules if mode in rule.modes):
        value = evidence.get(rule.quantity)
        if value is None:
            unchecked.append(rule.quantity)
        elif reason := rule.reason(value, evidence):
            words = (details or {}).get(rule.quantity)
            reasons[rule.level].append(f"{reason}: {words}" if words else reason)
    level = INVALID if reasons[INVALID] else SUSPECT if reasons[SUSPECT] else VALID
    return Verdict(level, (*reasons[INVALID], *reasons[SUSPECT]), tuple(dict.fromkeys(unchecked)))
