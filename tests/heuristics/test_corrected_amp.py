"""The search for outliers of corrected amplitudes, against the same rules written row by row."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.heuristics.corrected_amp import Limits, judge
from atacal.heuristics.corrected_amp_flags import Finding, flagged_by, merged
from atacal.heuristics.corrected_amp_metric import Metric, MetricSums
from atacal.heuristics.corrected_amp_uv import edges, growth, single_outliers

LIMITS = Limits()


def noise(nant=10, ntime=40, npol=2, seed=1, sigma=0.01):
    """A metric of Gaussian noise."""
    rng = np.random.default_rng(seed)
    antenna1, antenna2 = (a.astype(np.int32) for a in np.triu_indices(nant, 1))
    value = rng.normal(0, sigma, (ntime, len(antenna1), npol))
    corrs = ("XX", "YY", "XY", "YX")[:npol] if npol < 4 else ("XX", "XY", "YX", "YY")
    uv = np.tile(rng.uniform(15, 300, len(antenna1)), (ntime, 1))
    return Metric(
        value, np.ones(value.shape[:2], bool), np.arange(ntime) * 6.0, antenna1, antenna2, uvdist_m=uv, corrs=corrs
    )


def of_antenna(metric, antenna):
    return (metric.antenna1 == antenna) | (metric.antenna2 == antenna)


def keys(findings):
    return sorted((f.time, f.antenna1, f.antenna2, f.cause) for f in findings)


# ---------------------------------------------------------------------------------------------------- slow reference


def slow(metric, nant, nscan, limits=LIMITS, target=False):
    """Flag as the rules say, one visibility at a time; (time, antenna1, antenna2) of each finding, not merged."""
    rows = [
        (t, int(metric.antenna1[b]), int(metric.antenna2[b]), b)
        for t in range(metric.ntime)
        for b in range(len(metric.antenna1))
        if metric.observed[t, b]
    ]
    cubes = slow_pols(metric, nscan)
    dead, out = set(), []
    for _ in range(limits.niter):
        new, scale = [], 1.0
        for pol, cube in enumerate(cubes):
            more, scale = slow_pol(rows, cube, dead, nant, nscan, limits, pol, scale, target, metric)
            new += more
        if not new:
            break
        out += new
        for t, i, j, b in rows:
            for time, a1, a2, _ in new:
                if time in (-1, t) and all(a in (i, j) for a in (a1, a2) if a >= 0):
                    dead.add((t, b))
    return out


def slow_pols(metric, nscan):
    cubes = [
        {(t, b): metric.value[t, b, p] for t in range(metric.ntime) for b in range(len(metric.antenna1))}
        for p in range(metric.npol)
    ]
    if nscan == 1 or metric.npol == 1:
        return cubes
    groups = [
        [k for k, c in enumerate(metric.corrs) if c[0] == c[1]],
        [k for k, c in enumerate(metric.corrs) if c[0] != c[1]],
    ]
    out = []
    for group in groups:
        if group:
            out.append({key: mean([cubes[k][key] for k in group if not math.isnan(cubes[k][key])]) for key in cubes[0]})
    return out


def mean(values):
    return sum(values) / len(values) if values else math.nan


def slow_pol(rows, cube, dead, nant, nscan, limits, pol, scale, target, metric):
    good = [(cube[t, b], t, i, j, b) for t, i, j, b in rows if (t, b) not in dead and not math.isnan(cube[t, b])]
    if not good:
        return [], scale
    med = float(np.median([g[0] for g in good]))
    sig = 1.4826 * float(np.median([abs(g[0] - med) for g in good]))

    def beyond(low, high):
        return [g for g in good if g[0] - med < -low * sig or g[0] - med > high * sig]

    part = limits.tmantint * (2 * (1 + math.log10(nscan)) if nscan > 1 else 1)
    most_times = max(1.0, part * len({t for t, _, _, _ in rows}))
    far = beyond(6.5, 6.5)
    if far:
        factor, left = 1, far
        for k in range(max(1, nant // 10)):
            names = [g[2] for g in left] + [g[3] for g in left]
            counts = Counter(names)
            worst = next(n for n in names if counts[n] == max(counts.values()))
            left = [g for g in left if worst not in g[2:4]]
            if len(left) < 0.1 * len(far):
                factor = 4 - k
                break
        if len({g[1] for g in far}) > most_times * factor:
            scale = limits.relaxed_factor
    out = []
    if target:
        return [(g[1], g[2], g[3], "point") for g in slow_bins(good, metric)], scale
    high, very = beyond(limits.antnegsig, limits.antpossig), beyond(10.0, 10.0)
    if high:
        if len({g[1] for g in high}) <= most_times:
            out += slow_times(high, nant)
        elif very and len({g[1] for g in very}) <= most_times:
            out += slow_times(very, nant)
    out += [(g[1], g[2], g[3], "point") for g in beyond(13.0, 12.0)]
    number = Counter((g[2], g[3]) for g in beyond(limits.antblnegsig, limits.antblpossig))
    of = Counter((i, j) for _, i, j, _ in rows)
    wide = limits.tmint * scale * (1 if nscan == 1 else math.sqrt(2) if pol == 0 else 3)
    bad_bl = [bl for bl, n in number.items() if n > max(1, of[bl] * wide)]
    blamed = Counter(a for bl in bad_bl for a in bl)
    bad_ants = [a for a, n in blamed.items() if n > max(4.0, limits.tmbl * scale * (nant - 1))]
    out += [(-1, a, -1, "antenna") for a in bad_ants]
    for bl in bad_bl:
        if not set(bl) & set(bad_ants) and number[bl] / of[bl] >= min(1.0, limits.tmint * limits.relaxed_factor):
            out.append((-1, *bl, "baseline"))
    return out, scale


def slow_bins(good, metric):
    """Points of a target that are far from the others at their length, in two sets of bins."""
    points = [(float(metric.uvdist_m[g[1], g[4]]), g[0], n) for n, g in enumerate(good)]
    low, top = min(p[0] for p in points), max(p[0] for p in points)
    first = []
    while not first or first[-1][1] <= top:
        start = first[-1][1] if first else low
        many, some = len(points) > 1000, len(points) > 500
        fine = 1.1 if start < 40 else 1.2 if start < 90 else 1.26
        first.append((start, start * (fine if many else math.sqrt(2) if some else 1.6)))
    halves = [(a + b) / 2 for a, b in first]
    second = [(a, halves[k + 1] if k + 1 < len(halves) else first[-1][1]) for k, a in enumerate(halves)]
    bad = []
    for bins in (first, second):
        out, start, before = set(), bins[0][0], bins[0][0]
        for k, (_, stop) in enumerate(bins):
            here = [p for p in points if start <= p[0] < stop]
            if len(here) < 22 and k == len(bins) - 1:
                here = [p for p in points if before <= p[0] < stop]
            if len(here) < 22:
                continue
            values = sorted(p[1] for p in here)
            if len(points) > 1000:
                d1, q1, q3, d9 = (midpoint(values, part) for part in (0.1, 0.25, 0.75, 0.9))
                narrow = (q3 - q1) / 2
                centre, spread = (q1 + q3) / 2, max(narrow, min(2 * narrow, (d9 - d1) / 2 / 1.9004))
            else:
                centre = float(np.median(values))
                spread = 2 * 1.4826 * float(np.median([abs(v - centre) for v in values]))
            out |= {p[2] for p in here if p[1] - centre < -13 * spread or p[1] - centre > 12 * spread}
            before, start = (start, stop) if k < len(bins) - 1 else (before, stop)
        bad.append(out)
    alone = {p[2] for p in points if p[0] < second[0][0]}
    return [good[n] for n in sorted(bad[0] & (bad[1] | alone))]


def midpoint(values, part):
    at = part * (len(values) - 1)
    return (values[math.floor(at)] + values[math.ceil(at)]) / 2


def slow_times(outliers, nant):
    by_time = defaultdict(list)
    for g in outliers:
        by_time[g[1]].append(g)
    out = []
    for t, those in sorted(by_time.items()):
        counts = Counter(a for g in those for a in g[2:4])
        top = max(counts.values())
        affected = [a for a, n in counts.items() if n >= max(1, top - 1)]
        if len(affected) > nant / 3 or (len(affected) > nant / 6 and len(counts) > nant / 2):
            out.append((t, -1, -1, "time"))
        elif top >= 0.5 * len(those) and len(those) > 5:
            out += [(t, a, -1, "antenna at a time") for a, n in counts.items() if n == top]
        elif len(counts) > max(6, 0.2 * nant):
            out += [(t, a, -1, "correlator part") for a in affected]
    return out


@st.composite
def spoiled(draw):
    """Noise with faults of every sort that the rules know, missing rows and flagged visibilities."""
    nant = draw(st.integers(4, 16))
    metric = noise(nant, draw(st.integers(2, 30)), draw(st.sampled_from([1, 2, 4])), draw(st.integers(0, 2**20)))
    value, observed = metric.value, metric.observed
    rng = np.random.default_rng(draw(st.integers(0, 2**20)))
    for _ in range(draw(st.integers(0, 5))):
        size = draw(st.sampled_from([0.03, 0.08, 0.2, -0.2]))
        baselines = of_antenna(metric, rng.integers(nant))
        one, time = int(rng.integers(len(metric.antenna1))), int(rng.integers(metric.ntime))
        kind = draw(st.sampled_from(["antenna", "antenna time", "time", "baseline", "point", "some"]))
        if kind == "antenna":
            value[:, baselines] += size
        elif kind == "antenna time":
            value[time, baselines] += size
        elif kind == "time":
            value[time] += size
        elif kind == "baseline":
            value[: rng.integers(1, metric.ntime + 1), one] += size
        elif kind == "point":
            value[time, one, rng.integers(metric.npol)] += size
        else:
            value[rng.random(value.shape) < 0.05] += size
    value[rng.random(value.shape) < draw(st.sampled_from([0.0, 0.1]))] = np.nan
    observed &= rng.random(observed.shape) >= draw(st.sampled_from([0.0, 0.1]))
    value[~observed] = np.nan
    return metric, nant, draw(st.sampled_from([1, 3, 12]))


@given(spoiled(), st.booleans())
@settings(max_examples=120)
def test_as_the_rules_row_by_row(case, target):
    metric, nant, nscan = case
    expected = slow(metric, nant, nscan, target=target)
    found = judge(metric, nant, nscan, target=target).findings
    want = merged(Finding(t, i, j, cause) for t, i, j, cause in expected)
    assert keys(found) == keys(want)
    here = flagged_by(found, metric.antenna1, metric.antenna2, metric.ntime)
    every = [Finding(t, i, j, cause) for t, i, j, cause in expected]
    np.testing.assert_array_equal(here, flagged_by(every, metric.antenna1, metric.antenna2, metric.ntime))


# ------------------------------------------------------------------------------------------------------- what is found


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("nscan", [1, 6])
def test_noise_is_left_alone(seed, nscan):
    metric = noise(nant=12, ntime=50, seed=seed)
    findings = judge(metric, 12, nscan).findings
    assert flagged_by(findings, metric.antenna1, metric.antenna2, metric.ntime).mean() < 2e-3
    assert all(f.cause in ("antenna at a time", "time", "correlator part") for f in findings)


def test_an_antenna_with_a_wrong_amplitude():
    metric = noise()
    metric.value[:, of_antenna(metric, 3)] += 0.08
    (found,) = judge(metric, 10, 1).findings
    assert (found.time, found.antennas, found.cause) == (-1, (3,), "antenna")
    assert (found.outliers, found.of) == (9, 9)
    assert found.sigma > 5


def test_an_antenna_at_one_time():
    metric = noise()
    metric.value[17, of_antenna(metric, 4)] -= 0.09
    (found,) = judge(metric, 10, 1).findings
    assert (found.time, found.antennas, found.cause) == (17, (4,), "antenna at a time")
    assert (found.outliers, found.of) == (9, 45)
    assert found.sigma < -6


def test_a_time_at_which_all_are_bad():
    metric = noise()
    metric.value[5] += 0.1
    (found,) = judge(metric, 10, 1).findings
    assert (found.time, found.antennas, found.cause, found.outliers) == (5, (), "time", 45)


def test_a_baseline_and_a_single_visibility():
    metric = noise()
    metric.value[:, 7] += 0.06
    metric.value[20, 30, 1] += 0.3
    baseline, point = judge(metric, 10, 1).findings
    assert (baseline.cause, baseline.antennas) == ("baseline", (int(metric.antenna1[7]), int(metric.antenna2[7])))
    assert (point.cause, point.time) == ("point", 20)
    assert point.antennas == (int(metric.antenna1[30]), int(metric.antenna2[30]))
    assert point.pol == 1


def test_a_part_of_the_correlator():
    nant = 30
    metric = noise(nant=nant, ntime=40)
    group = np.isin(metric.antenna1, [1, 5, 9, 13]) & np.isin(metric.antenna2, [2, 6, 10, 14])
    metric.value[9, group] += 0.1
    found = judge(metric, nant, 1).findings
    assert found
    assert {f.cause for f in found} == {"correlator part"}
    assert {a for f in found for a in f.antennas} <= {1, 2, 5, 6, 9, 10, 13, 14}


def test_far_outliers_everywhere_relax_the_limits():
    metric = noise(nant=12, ntime=40)
    rng = np.random.default_rng(5)
    metric.value[rng.random(metric.value.shape) < 0.08] += 0.09
    strict = judge(metric, 12, 1, Limits(relaxed_factor=1.0))
    relaxed = judge(metric, 12, 1)
    assert relaxed.numbers[0][0].relaxed
    much, little = (flagged_by(j.findings, metric.antenna1, metric.antenna2, 40).mean() for j in (strict, relaxed))
    assert much > 0.9
    assert little < 0.2


def test_a_second_search_finds_what_the_first_hid():
    metric = noise(nant=12, ntime=20, npol=1)
    metric.value[:, of_antenna(metric, 2)] += 0.12  # with the next two nearly half of all: the spread seems wide
    metric.value[:, of_antenna(metric, 0) | of_antenna(metric, 1)] += 5.0
    once, twice = (judge(metric, 12, 1, Limits(niter=n)) for n in (1, 2))
    assert {f.antennas for f in once.findings if f.cause == "antenna"} == {(0,), (1,)}
    assert {f.antennas for f in twice.findings if f.cause == "antenna"} == {(0,), (1,), (2,)}


def test_numbers_that_led_to_the_decision():
    metric = noise()
    metric.value[:, of_antenna(metric, 3)] += 0.08
    judgement = judge(metric, 10, 1)
    first = judgement.numbers[0][0]
    assert (first.corr, first.points, first.times) == ("XX", 1800, 40)
    assert first.antenna_limit == 4.0  # 0.175 * 9 is less
    assert first.bad_baselines == 9
    assert first.times_limit == pytest.approx(0.063 * 40)
    assert len(judgement.numbers) == 2
    assert judge(metric, 10, 10).numbers[0][0].times_limit == pytest.approx(0.063 * 40 * 4)


def test_scans_together_judge_the_mean_of_the_polarisations():
    metric = noise(npol=4)
    joined = metric.joined()
    assert joined.corrs == ("XX,YY", "XY,YX")
    np.testing.assert_allclose(joined.value[:, :, 0], metric.value[:, :, [0, 3]].mean(axis=2))
    metric.value[3, 4, 0] = np.nan
    assert metric.joined().value[3, 4, 0] == metric.value[3, 4, 3]
    metric.value[3, 4, 3] = np.nan
    assert np.isnan(metric.joined().value[3, 4, 0])
    assert noise(npol=1).joined().corrs == ("XX",)


# ------------------------------------------------------------------------------------------------------------- targets


def test_a_target_with_structure_keeps_its_short_baselines():
    metric = noise(nant=30, ntime=12, sigma=0.02)
    metric.value[:] += (20 * np.exp(-((metric.uvdist_m / 40) ** 2)))[:, :, None]
    metric.value[6, 100, 0] += 8.0
    found = judge(metric, 30, 1, target=True).findings
    assert (6, int(metric.antenna1[100]), int(metric.antenna2[100]), "point") in keys(found)
    assert {f.cause for f in found} == {"point"}
    assert len(found) < 4


def test_bins_cover_every_length():
    uv = np.array([0.0, 12.0, 55.0, 500.0])
    first, second = edges(uv)
    assert first[0][0] == 0.0
    assert first[-1][1] > 500.0
    assert [a[1] for a in first[:-1]] == [b[0] for b in first[1:]]
    assert second[0][0] == pytest.approx(6.0 + first[0][1] / 2 - 6.0)
    assert second[-1][1] == first[-1][1]
    assert edges(np.full(5, 30.0))[0] == [(30.0, 48.0)]
    assert [growth(30, 2000), growth(50, 2000), growth(100, 2000), growth(30, 300)] == [1.1, 1.2, 1.26, 1.6]


@given(st.integers(80, 400), st.integers(0, 10**6))
def test_one_far_point_among_any_number_is_found(count, seed):
    rng = np.random.default_rng(seed)
    uv, value = rng.uniform(15, 400, count), rng.normal(0, 1, count)
    which = int(rng.integers(count))
    value[which] = 1e3
    bad, sigma, bins = single_outliers(value, uv, 13.0, 12.0)
    assert bad[which]
    assert sigma[which] > 12
    assert sum(b.points for b in bins) >= count


def test_too_few_points_are_not_judged():
    assert not single_outliers(np.array([0.0] * 20 + [9.0]), np.linspace(15, 100, 21), 13.0, 12.0)[0].any()


def test_a_target_needs_lengths():
    metric = noise()
    with pytest.raises(ArgumentError, match="uv distance"):
        judge(Metric(metric.value, metric.observed, metric.time, metric.antenna1, metric.antenna2), 10, 1, target=True)


# ---------------------------------------------------------------------------------------------------------- the metric


def test_sums_in_any_order():
    rng = np.random.default_rng(2)
    nant, times, nchan = 5, np.array([10.0, 16.0, 22.0]), 7
    i, j = np.triu_indices(nant, 1)
    rows = [(t, a, b) for t in times for a, b in zip(i, j, strict=True)]
    rows += [(t, a, a) for t in times for a in range(nant)]
    vis = rng.normal(size=(len(rows), nchan, 2)) + 1j * rng.normal(size=(len(rows), nchan, 2))
    model = np.full_like(vis, 0.3 + 0.4j)
    flag = rng.random(vis.shape) < 0.3
    flag[4], flag[5, :, 1] = True, True
    order = rng.permutation(len(rows))
    sums = MetricSums(times, nant, ("XX", "YY"), uvdist=True)
    for part in np.array_split(order, 4):
        t, a, b = (np.array([rows[k][n] for k in part]) for n in range(3))
        swap = rng.random(len(part)) < 0.5
        a, b = np.where(swap, b, a), np.where(swap, a, b)
        good = ~flag[part]
        sums.add(
            t, a.astype(np.int32), b.astype(np.int32), (vis[part] * good).sum(1), (model[part] * good).sum(1),
            good.sum(1), uvdist_m=part * 1.0,
        )  # fmt: skip
    metric = sums.metric()
    for k, (t, a, b) in enumerate(rows):
        if a == b:
            continue
        time = int(np.searchsorted(times, t))
        (baseline,) = np.flatnonzero((metric.antenna1 == a) & (metric.antenna2 == b))
        for pol in range(2):
            good = ~flag[k, :, pol]
            expected = abs(vis[k, good, pol].mean()) - 0.5 if good.any() else np.nan
            np.testing.assert_allclose(metric.value[time, baseline, pol], expected)
        assert metric.observed[time, baseline]
        assert metric.uvdist_m[time, baseline] == k


def test_baselines_without_rows_are_left_out():
    sums = MetricSums(np.array([1.0]), 4, ("XX",))
    one = np.ones((1, 1))
    sums.add(np.array([1.0]), np.array([2], np.int32), np.array([1], np.int32), one + 0j, one + 0j, np.array([[1]]))
    metric = sums.metric()
    assert (metric.antenna1.tolist(), metric.antenna2.tolist()) == ([1], [2])
    assert metric.value.tolist() == [[[0.0]]]


def test_times_must_ascend():
    with pytest.raises(ArgumentError, match="ascend"):
        MetricSums(np.array([2.0, 1.0]), 3, ("XX",))


# --------------------------------------------------------------------------------------------------------- the findings


def test_wider_findings_hold_narrower_ones():
    wide = Finding(-1, 3, -1, "antenna")
    time = Finding(7, -1, -1, "time")
    held = [
        Finding(2, 3, -1, "antenna at a time"), Finding(2, 1, 3, "point"), Finding(7, 1, 2, "point"),
        Finding(-1, 1, 3, "baseline"), Finding(7, 4, -1, "antenna at a time"),
    ]  # fmt: skip
    kept = [Finding(2, 1, 2, "point"), Finding(-1, 1, 2, "baseline")]
    assert merged([*held, wide, kept[0], time, time]) == [wide, kept[0], time]
    assert merged([*held, wide, *kept, time]) == sorted([wide, kept[1], time])


@pytest.mark.parametrize(
    ("name", "value"), [("antnegsig", 0.0), ("tmint", -0.1), ("relaxed_factor", 0.0), ("niter", 0), ("tmbl", -1.0)]
)
def test_impossible_limits(name, value):
    with pytest.raises(ArgumentError, match=name):
        Limits(**{name: value})
