"""Statistics against independent implementations, and their invariants for arbitrary samples."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import stats

durations = st.floats(min_value=1e-3, max_value=1e6)
samples = st.lists(durations, min_size=1, max_size=60)


@given(samples)
def test_centres_agree_with_the_standard_library(values: list[float]) -> None:
    assert stats.median(values) == pytest.approx(statistics.median(values))
    assert stats.mad(values) == pytest.approx(scipy.stats.median_abs_deviation(values), abs=1e-9)
    assert min(values) <= stats.median(values) <= max(values)


@given(st.integers(0, 2**32), st.integers(473, 700), st.booleans(), st.sampled_from([90, 95, 99]))
def test_a_percentile_is_a_value_that_occurred_and_bounds_its_share(seed: int, n: int, ties: bool, p: int) -> None:
    values = [float(v) for v in np.random.default_rng(seed).lognormal(2, 0.5, n).round(0 if ties else 9)]
    got = stats.percentile(values, p)
    assert got in values
    assert sum(v <= got for v in values) * 100 >= p * len(values)
    assert sum(v < got for v in values) * 100 < p * len(values)


@pytest.mark.parametrize(("p", "needed"), [(90, 46), (95, 93), (99, 473)])
def test_percentiles_need_a_sample_that_supports_them(p: int, needed: int) -> None:
    assert stats.percentile(range(1, needed), p) is None
    assert stats.percentile(range(1, needed + 1), p) is not None
    # the number is the least for which the second largest value bounds the percentile with 95 % confidence
    q = p / 100
    miss = [q**n + n * (1 - q) * q ** (n - 1) for n in (needed - 1, needed)]
    assert miss[0] > 0.05 >= miss[1]


def test_percentile_rank_is_exact() -> None:
    assert stats.percentile(range(1, 101), 95) == 95
    assert stats.percentile(range(1, 1001), 99) == 990


@given(st.lists(durations, min_size=2, max_size=20))
def test_interval_agrees_with_scipy(medians: list[float]) -> None:
    got = stats.between_processes(medians)
    assert got is not None and got.n == len(medians)
    logs = np.log(medians)
    if logs.std() > 1e-6:
        with np.errstate(over="ignore"):
            low, high = np.exp(scipy.stats.t.interval(0.95, len(logs) - 1, logs.mean(), scipy.stats.sem(logs)))
        if math.isfinite(high) and low > 0:
            assert (got.low, got.high) == (pytest.approx(low), pytest.approx(high))


def test_one_process_has_no_interval_and_decides_nothing() -> None:
    assert stats.between_processes([5.0]) is None
    change = stats.compare([5.0], [9.0, 9.1])
    assert change.ratio == pytest.approx(5 / math.sqrt(9.0 * 9.1))
    assert (change.low, change.high, change.p, change.significant) == (None, None, None, False)
    assert "undecided" in change.note


@given(st.lists(durations, min_size=2, max_size=8), st.lists(durations, min_size=2, max_size=8))
def test_comparison_agrees_with_scipy_and_is_symmetric(a: list[float], b: list[float]) -> None:
    there, back = stats.compare(a, b), stats.compare(b, a)
    assert there.ratio * back.ratio == pytest.approx(1)
    assert there.significant == back.significant or abs(there.ratio - 1) < 0.021
    if np.log(a).std() > 1e-3 and np.log(b).std() > 1e-3:
        want = scipy.stats.ttest_ind(np.log(a), np.log(b), equal_var=False)
        assert there.p == pytest.approx(want.pvalue, rel=1e-6, abs=1e-12)


def test_a_small_but_certain_change_is_not_significant() -> None:
    change = stats.compare([10.1, 10.1001, 10.1002], [10.0, 10.0001, 10.0002])
    assert change.p is not None and change.p < 0.001
    assert not change.significant


def test_identical_processes_are_handled() -> None:
    same = stats.compare([3.0, 3.0], [3.0, 3.0])
    assert (same.ratio, same.p, same.significant) == (1.0, 1.0, False)
    faster = stats.compare([2.0, 2.0], [3.0, 3.0])
    assert faster.significant and faster.low == pytest.approx(2 / 3)


def test_false_alarms_are_as_rare_as_promised() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(1000):
        change = stats.compare(rng.lognormal(0, 0.05, 5), rng.lognormal(0, 0.05, 5))
        hits += change.significant
    assert 20 <= hits <= 70  # 5 % of 1000


def test_bootstrap_error_of_a_noisy_signal_is_near_the_textbook_one() -> None:
    rng = np.random.default_rng(3)
    times = np.arange(0, 60, 0.1)
    error = stats.block_bootstrap_error(times, 5 + rng.normal(0, 0.5, times.size))
    assert error == pytest.approx(0.5 / math.sqrt(times.size), rel=0.35)
    assert stats.block_bootstrap_error(times[:15], times[:15]) is None


def test_drift_outliers_spread() -> None:
    assert stats.drift([1.0] * 30 + [1.1] * 30 + [1.2] * 30) == pytest.approx(0.2)
    assert stats.drift([1.0, 2.0]) is None
    assert stats.outliers([10.0, 10.1, 9.9, 10.05, 9.95, 50.0]) == 1
    assert stats.spread([100.0, 105.0, 100.0]) == pytest.approx(0.05)


def test_an_empty_sample_is_refused() -> None:
    for statistic in (stats.median, stats.mad, stats.cv, stats.spread):
        with pytest.raises(ValueError, match="at least one value"):
            statistic([])


@pytest.mark.parametrize("bad", [[0.0, 1.0], [-1.0, 2.0], [math.nan, 1.0]])
def test_nonsense_is_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError):
        stats.between_processes([*bad, *bad])


def test_importing_the_nouns_stays_light() -> None:
    heavy = "{'pandas', 'scipy', 'mlflow', 'matplotlib', 'tensorflow', 'rich', 'hydra', 'pydantic'}"
    rooms = "orchestrator.result, orchestrator.measurement, orchestrator.stats"
    code = f"import sys, {rooms}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
