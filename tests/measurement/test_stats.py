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
from orchestrator.stats import family
from orchestrator.stats.cells import Cells, moderated
from orchestrator.stats.interval import limits

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


@given(st.lists(durations, min_size=3, max_size=5))
def test_interval_of_a_few_agrees_with_scipy(medians: list[float]) -> None:
    got = stats.between_processes(medians)
    assert got is not None and got.n == len(medians) and got.method == "Student t on log medians of processes"
    logs, level = np.log(medians), 0.97 if len(medians) < 5 else 0.95
    if logs.std() > 1e-6:
        with np.errstate(over="ignore"):
            low, high = np.exp(scipy.stats.t.interval(level, len(logs) - 1, logs.mean(), scipy.stats.sem(logs)))
        if math.isfinite(high) and low > 0:
            assert (got.low, got.high) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize(("n", "rank"), [(6, 1), (8, 1), (9, 2), (12, 3), (20, 6)])
def test_interval_of_more_is_between_two_of_the_values(n: int, rank: int) -> None:
    got = stats.between_processes([float(value) for value in range(n, 0, -1)])
    assert got is not None and (got.low, got.high) == (pytest.approx(rank), pytest.approx(n + 1 - rank))
    # the textbook: the k-th smallest of n is above the median as often as fewer than k of n fall below it
    outside = [2 * scipy.stats.binom.cdf(k - 1, n, 0.5) for k in (rank, rank + 1)]
    assert outside[0] <= 0.05 < outside[1]


def test_intervals_cover_what_they_say_also_skewed_ones() -> None:
    rng = np.random.default_rng(0)
    for n in (3, 4, 5, 6, 12):
        x = 0.01 * rng.exponential(size=(4000, n))
        low, high = limits(x)
        assert np.mean((low <= 0.01 * math.log(2)) & (math.log(2) * 0.01 <= high)) >= 0.93, n


def test_one_process_has_no_interval_and_decides_nothing() -> None:
    assert stats.between_processes([5.0]) is None is stats.between_processes([5.0, 5.1])
    change = stats.compare([5.0], [9.0, 9.1])
    assert change.ratio == pytest.approx(5 / math.sqrt(9.0 * 9.1))
    assert (change.low, change.high, change.p, change.significant) == (None, None, None, False)
    assert change.outcome == stats.NO_GROUND
    assert stats.undecided([[5.0], [9.0, 9.1]], [(0, 1)]) == [True]


@given(st.lists(durations, min_size=2, max_size=8), st.lists(durations, min_size=2, max_size=8))
def test_comparison_agrees_with_scipy_and_is_symmetric(a: list[float], b: list[float]) -> None:
    there, back = stats.compare(a, b), stats.compare(b, a)
    assert there.ratio * back.ratio == pytest.approx(1)
    assert there.outcome == back.outcome
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


def matrices(spread: float, n: int, *, count: int = 300, seed: int = 0) -> np.ndarray:
    return spread * np.random.default_rng(seed).standard_normal((count, 40, n))


def test_false_differences_are_rare_and_true_ones_found_in_a_matrix() -> None:
    for spread, effect, n in ((0.01, 0.05, 5), (0.03, 0.10, 10)):
        x = matrices(spread, n)
        assert significant(x).any(axis=1).mean() <= 0.01
        x[:, 1] += math.log1p(effect)
        assert significant(x)[:, 0].mean() >= 0.95
    slow = matrices(0.01, 3) + 0.1 * (np.random.default_rng(1).random((300, 40, 3)) < 0.05)
    assert significant(slow).any(axis=1).mean() <= 0.02


def test_a_baseline_that_is_noisy_makes_no_differences() -> None:
    x = matrices(0.01, 5)
    x[:, 0] *= 8
    assert significant(x).any(axis=1).mean() <= 0.04


def test_arrays_and_reports_decide_alike() -> None:
    x = matrices(0.03, 5, count=1)[0]
    x[7] += 0.15
    pairs = [(i, 0) for i in range(1, 40)]
    found = stats.compare_all(np.exp(x), pairs)
    assert [change.significant for change in found] == significant(x[None])[0].tolist()
    assert found[6].significant and sum(change.significant for change in found) == 1
    alone = stats.compare_all(np.exp(x), pairs, boards=range(40))  # each on its own board: nothing to learn from
    assert alone[6].p == pytest.approx(stats.compare(np.exp(x[7]), np.exp(x[0])).p)
    assert (found[6].p or 1) < (alone[6].p or 0)


def significant(x: np.ndarray) -> np.ndarray:
    cells = moderated(Cells.of(x.mean(axis=-1), x.var(axis=-1, ddof=1), np.full(x.shape[:-1], float(x.shape[-1]))))
    others = np.arange(1, x.shape[-2])
    return family.tested(cells, others, np.zeros_like(others)).significant(stats.FALSE_ALARMS - stats.FOR_LOOKS)


def test_a_noisy_cell_stays_noisy_and_a_lucky_one_does_not_stay_lucky() -> None:
    variance = np.full(40, 1e-4)
    variance[0], variance[1] = 1e-2, 1e-8
    got = moderated(Cells.of(np.zeros(40), variance, np.full(40, 5.0)))
    assert got.variance[0] == 1e-2 and got.variance[1] > 1e-6 and (got.variance >= variance).all()
    assert (got.freedom > 4).all() and (got.freedom <= 12).all()
    two = moderated(Cells.of(np.zeros(2), variance[:2], np.full(2, 5.0)))
    assert two.variance.tolist() == variance[:2].tolist() and two.freedom.tolist() == [4, 4]


def test_the_same_and_the_undecided_are_told_apart() -> None:
    steady, wild = [10.0, 10.01, 9.99, 10.0, 10.02], [10.0, 10.9, 9.2, 10.4, 9.6]
    same, open_ = stats.compare(steady, steady), stats.compare(wild, steady)
    assert same.outcome == stats.SAME and same.possible is not None and same.possible < 0.02
    assert open_.outcome == stats.UNDECIDED and open_.possible is not None and open_.possible > 0.02
    assert same.processes is None and open_.processes == pytest.approx(150, abs=10), "to show that they are the same"


def test_the_processes_that_would_decide_do() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.lognormal(math.log(1.05), 0.03, 5), rng.lognormal(0, 0.03, 5)
    change = stats.compare(a, b)
    assert change.outcome == stats.UNDECIDED and change.processes is not None and change.detectable is not None
    spread = math.sqrt((np.log(a).var(ddof=1) + np.log(b).var(ddof=1)) / 2)
    tries = [
        stats.compare(
            rng.lognormal(math.log(change.ratio), spread, change.processes), rng.lognormal(0, spread, change.processes)
        )
        for _ in range(200)
    ]
    assert 0.9 <= np.mean([one.significant for one in tries]) <= 0.99
    assert change.detectable > abs(change.ratio - 1)


def test_processes_are_added_where_it_looks_like_a_change_only() -> None:
    proven, alike = [10.0, 10.01, 9.99, 10.0, 10.02], [10.05, 10.06, 10.04, 10.05, 10.06]
    twice, perhaps = [20.0, 20.01, 19.99, 20.0, 20.02], [10.9, 10.1, 10.5, 10.0, 10.8]
    samples = [proven, alike, twice, perhaps]
    assert stats.undecided(samples, [(1, 0), (2, 0), (3, 0)]) == [False, False, True]
    close = [10.31, 10.25, 10.42, 10.33, 10.38]
    assert stats.compare(close, proven).significant
    assert stats.undecided([proven, close], [(1, 0)], looks=1000) == [True], "looking often asks for more evidence"


def test_holm_is_that_of_the_book() -> None:
    assert family.holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_drift_outliers_spread() -> None:
    assert stats.drift([1.0] * 30 + [1.1] * 30 + [1.2] * 30) == pytest.approx(0.2)
    assert stats.drift([1.0, 2.0]) is None
    assert stats.outliers([10.0, 10.1, 9.9, 10.05, 9.95, 50.0]) == 1
    assert stats.stdev([1.0, 3.0]) == pytest.approx(math.sqrt(2)) and stats.stdev([1.0]) is None
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
