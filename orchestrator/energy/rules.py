"""Whether a measured energy can be believed; what is invalid is no number at all (see ``reading``)."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.verdict import SUSPECT, Rule, Verdict, judge

# Sources: three windows and their median are MLPerf Tiny's five cut to what a lab has time for; 100 inferences, 5 % of
# idle drift, 3 % of shift and 5 % of foreign use are this project's own.
RULES: tuple[Rule, ...] = (
    Rule(
        SUSPECT,
        "windows",
        "<",
        3,
        "only {value:.0f} window(s) of energy, {limit:.0f} needed to see how far they differ",
    ),
    Rule(SUSPECT, "inferences", "<", 100, "only {value:.0f} inferences in a window of energy, {limit:.0f} needed"),
    Rule(SUSPECT, "relative_uncertainty", ">", 0.10, "energy is only known to ±{value:.0%}, limit {limit:.0%}"),
    Rule(SUSPECT, "window_spread", ">", 0.05, "windows of energy differ by {value:.1%}, limit {limit:.0%}"),
    Rule(SUSPECT, "idle_drift", ">", 0.05, "idle power changed by {value:.1%} from before to after, limit {limit:.0%}"),
    Rule(
        SUSPECT,
        "latency_shift",
        ">",
        0.03,
        "the model took {value:.1%} more or less time while its energy was measured, limit {limit:.0%}",
    ),
    Rule(
        SUSPECT,
        "foreign_use",
        ">",
        0.05,
        "other programs used {value:.0%} of the CPUs while power was read, limit {limit:.0%}",
    ),
)


def judged(evidence: Mapping[str, float | None]) -> Verdict:
    """``valid`` or ``suspect`` with the reasons."""
    return judge(evidence, rules=RULES)
