"""The flux scale on gains that are known: fluxes, errors, selections, and what cannot be done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import ArgumentError, CaltableError, CaltableMismatch, EmptySelection, NoSolutions
from atacal.flux.chosen import choose_solutions
from atacal.flux.fluxscale import casacore_median, derive_fluxes
from atacal.flux.ratio_error import median_error
from atacal.flux.report import casa_dict, flux_lines, found_lines
from atacal.flux.tables import incremental_table, scaled_table
from atacal.ms.metadata import Antenna, Field, Metadata, Spw

NANT = 6
FREQ_HZ = (90e9, 92e9, 104e9)
TRUE_JY = (0.5, 2.0, 4.0)
"""Flux densities of the three fields; each gain is solved against 1 Jy, the first field's against its own 0.5 Jy."""


def spw(number: int) -> Spw:
    one = np.array([FREQ_HZ[number]])
    width = np.array([2e9])
    return Spw(number, f"BB_{number}", one, width, width, width, one[0], 2e9, "TOPO", 1, 1, 0)


def gain_table(*, noise: float = 0.0, npar: int = 2, seed: int = 0) -> CalTable:
    """Slots: field 0 in scan 1, fields 1 and 2 in scans 2, 3 and again in 4, 5, a minute apart."""
    random = np.random.default_rng(seed)
    fields = np.array([0, 1, 2, 1, 2], np.int32)
    sols = {}
    antenna_gain = 1 + 0.2 * random.random((NANT, npar))
    for number in range(3):
        amp = antenna_gain * np.sqrt(np.array([1.0, *TRUE_JY[1:]]))[fields][:, None, None]
        amp = amp * (1 + noise * random.normal(size=amp.shape))
        phase = np.exp(1j * random.uniform(-np.pi, np.pi, amp.shape))
        param = (amp * phase).astype(np.complex64)[:, :, None, :]
        sols[number] = SpwSolutions(
            number,
            5e9 + 60.0 * np.arange(5),
            np.zeros(5),
            fields,
            np.arange(1, 6, dtype=np.int32),
            np.zeros(5, np.int32),
            np.zeros((5, NANT), np.int32),
            param,
            np.full(param.shape, 0.01, np.float32),
            np.full(param.shape, 100, np.float32),
            np.zeros(param.shape, bool),
        )
    antennas = tuple(Antenna(i, f"DA{41 + i}", f"A{i:03}", (0.0, 0.0, 0.0), 12.0, "ALT-AZ", False) for i in range(NANT))
    names = ("flux", "phase", "check")
    sky = tuple(Field(i, n, "", i, (0.0, 0.0), "J2000", 0.0) for i, n in enumerate(names))
    spws = tuple(spw(i) for i in range(3))
    return CalTable("G Jones", "Complex", "linear", "X.ms", antennas, sky, spws, sols, Path("X.ms"))


def metadata(table: CalTable) -> Metadata:
    return Metadata("X.ms", 0, (), table.antennas, table.fields, table.spws, (), (), (), ())


# ---------------------------------------------------------------- fluxes and errors


def test_true_fluxes() -> None:
    scale = derive_fluxes(gain_table(), [0])
    assert scale.transfer == (1, 2)
    for f in (1, 2):
        for number in range(3):
            one = scale.fields[f].spws[number]
            assert one.flux_jy == pytest.approx(TRUE_JY[f], rel=1e-6)
            assert one.nsol == 2 * NANT
            assert one.freq_hz == FREQ_HZ[number]
        assert scale.fields[f].spectrum is not None
        assert scale.fields[f].spectrum.coefficients[1] == pytest.approx(0.0, abs=1e-4)


def test_errors_by_hand() -> None:
    table = gain_table(noise=0.05)
    one = derive_fluxes(table, [0], [2]).fields[2].spws[1]
    amp = np.abs(table.solutions[1].param[:, :, 0, :].astype(np.complex128))
    ratios = (amp[[2, 4]].mean(0) / amp[0]).ravel()
    assert one.ratio == pytest.approx(np.median(ratios), rel=1e-6)
    assert one.flux_jy == pytest.approx(np.median(ratios) ** 2, rel=1e-6)
    assert one.error_jy == pytest.approx(2 * np.std(ratios, ddof=1) / np.sqrt(2 * NANT - 1), rel=1e-5)
    assert one.propagated_error_jy == pytest.approx(one.error_jy * one.ratio, rel=1e-12)
    by_antenna = ratios.reshape(NANT, 2)
    expected = 2 * one.ratio * median_error(by_antenna, np.ones(by_antenna.shape, bool))
    assert one.median_error_jy == pytest.approx(expected, rel=1e-5)


def test_propagated_error_is_the_scatter_of_the_fluxes() -> None:
    """Over many noisy tables of a field of 4 Jy the fluxes scatter by fluxdErrPropagated, twice fluxdErr."""
    found = [derive_fluxes(gain_table(noise=0.03, seed=s), [0], [2]).fields[2].spws[0] for s in range(300)]
    scatter = np.std([one.flux_jy for one in found])
    propagated = np.mean([one.propagated_error_jy for one in found])
    plain = np.mean([one.error_jy for one in found])
    # the median scatters by up to sqrt(pi / 2) more than the mean, for which the error is computed
    assert 0.85 < scatter / propagated < 1.4
    assert scatter / plain > 1.7


def test_flagged_solutions_do_not_count() -> None:
    table = gain_table()
    table.solutions[0].param[3, 2] *= 10
    table.solutions[0].flag[3, 2] = True
    table.solutions[0].flag[:, 4, :, 1] = True
    one = derive_fluxes(table, [0], [1]).fields[1].spws[0]
    assert one.flux_jy == pytest.approx(2.0, rel=1e-6)
    assert one.nsol == 2 * NANT - 1


def test_single_polarisation_and_single_solution() -> None:
    table = gain_table(npar=1)
    assert derive_fluxes(table, [0]).fields[1].spws[2].nsol == NANT
    table.solutions[2].flag[:, 1:] = True
    one = derive_fluxes(table, [0]).fields[1].spws[2]
    assert one.nsol == 1
    assert one.flux_jy == pytest.approx(2.0, rel=1e-6)
    assert one.error_jy == 0
    assert np.isnan(one.propagated_error_jy)
    assert np.isnan(one.median_error_jy)


def test_two_references_share_their_antennas() -> None:
    table = gain_table()
    for sol in table.solutions.values():
        sol.param[sol.field == 2] /= 2  # as if its model were right
        sol.flag[sol.field == 0, 0] = True
        sol.flag[sol.field == 2, 1] = True
    one = derive_fluxes(table, [0, 2]).fields[1].spws[0]
    assert one.nsol == 2 * NANT
    assert one.flux_jy == pytest.approx(2.0, rel=1e-6)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=100))
@settings(max_examples=50, deadline=None)
def test_median_of_few_is_the_usual_one(values: list[float]) -> None:
    assert casacore_median(np.array(values)) == pytest.approx(np.median(values), rel=1e-12, abs=1e-300)


def test_median_of_many_is_the_lower_one() -> None:
    assert casacore_median(np.arange(102)) == 50.0
    assert casacore_median(np.arange(103)) == 51.0


# ---------------------------------------------------------------- references in other spws


def test_refspwmap() -> None:
    table = gain_table()
    table.solutions[1].flag[0] = True
    scale = derive_fluxes(table, [0])
    assert sorted(scale.fields[1].spws) == [0, 2]
    scale = derive_fluxes(table, [0], refspwmap=[0, 2, -1])
    assert [scale.fields[1].spws[s].ref_spw for s in range(3)] == [0, 2, 2]
    assert [scale.fields[1].spws[s].flux_jy for s in range(3)] == pytest.approx([2, 2, 2], rel=1e-6)
    assert derive_fluxes(table, [0], refspwmap=[2]).ref_spw.tolist() == [2, 2, 2]


def test_missing_reference_spw_hints_at_refspwmap(caplog: pytest.LogCaptureFixture) -> None:
    table = gain_table()
    table.solutions[1].flag[0] = True
    derive_fluxes(table, [0])
    assert "in spw 1 the reference has no good solutions; it has them in spw 0, 2 (refspwmap" in caplog.text
    for number in (0, 2):
        table.solutions[number].flag[1:] = True
    with pytest.raises(NoSolutions, match="refspwmap"):
        derive_fluxes(table, [0])


@pytest.mark.parametrize("spws", [[3], [0, 0, 0, 0], [-2]])
def test_wrong_refspwmap(spws: list[int]) -> None:
    with pytest.raises(ArgumentError, match="there are 3 spws"):
        derive_fluxes(gain_table(), [0], refspwmap=spws)


# ---------------------------------------------------------------- fields


def test_fields_that_are_not_there(caplog: pytest.LogCaptureFixture) -> None:
    table = gain_table()
    for number, sol in table.solutions.items():
        keep = sol.field != 1
        table.solutions[number] = SpwSolutions(
            number,
            *(getattr(sol, n)[keep] for n in ("time", "interval", "field", "scan", "obs", "refant")),
            *(getattr(sol, n)[keep] for n in ("param", "error", "snr", "flag")),
        )
    with pytest.raises(CaltableMismatch, match=r"reference field phase \(1\); it has them of flux \(0\), check \(2\)"):
        derive_fluxes(table, [1])
    with pytest.raises(CaltableMismatch, match="transfer field phase"):
        derive_fluxes(table, [0], [1])
    assert derive_fluxes(table, [0], [1, 2]).transfer == (2,)
    assert "These transfer fields have no solutions" in caplog.text


def test_reference_is_not_scaled() -> None:
    assert derive_fluxes(gain_table(), [0], [0, 1]).transfer == (1,)
    with pytest.raises(CaltableMismatch):
        derive_fluxes(gain_table(), [0], [0])


@pytest.mark.parametrize("kind", ["B Jones", "K Jones"])
def test_other_tables(kind: str) -> None:
    table = gain_table()
    table.kind = kind
    with pytest.raises(CaltableError, match="needs G Jones or T Jones"):
        derive_fluxes(table, [0])


def test_two_solutions_at_one_time() -> None:
    table = gain_table()
    table.solutions[1].time[3] = table.solutions[1].time[1]
    with pytest.raises(CaltableError, match="two solutions at one time of field phase in spw 1"):
        derive_fluxes(table, [0])


# ---------------------------------------------------------------- which solutions take part


def fluxes(table: CalTable, **selection: str) -> list[float]:
    chosen = choose_solutions(table, metadata(table), **selection)
    found = derive_fluxes(table, [0], [1], use=chosen.use, threshold_use=chosen.threshold_use).fields[1].spws
    return [found[number].flux_jy for number in range(3)]


def test_scan_and_timerange() -> None:
    table = gain_table()
    for sol in table.solutions.values():
        sol.param[3] *= 2  # scan 4, the second of field 1
    assert fluxes(table, scan="1,2") == pytest.approx([2, 2, 2], rel=1e-6)
    assert fluxes(table, scan="1,4") == pytest.approx([8, 8, 8], rel=1e-6)
    # 5e9 s is 2017/04/27/08:53:20
    assert fluxes(table, timerange="<2017/04/27/08:55:00") == pytest.approx([2, 2, 2], rel=1e-6)
    with pytest.raises(EmptySelection):
        fluxes(table, timerange="<2016/01/01")
    with pytest.raises(EmptySelection):
        fluxes(table, scan="9")


def test_antenna() -> None:
    table = gain_table()
    for sol in table.solutions.values():
        sol.param[1:, [1, 3]] *= 2
    assert fluxes(table, antenna="DA42,3") == pytest.approx([8, 8, 8], rel=1e-6)
    assert fluxes(table, antenna="!DA42,3") == pytest.approx([2, 2, 2], rel=1e-6)
    assert fluxes(table, antenna="!1;!3") == pytest.approx([2, 2, 2], rel=1e-6)
    # the reference antenna 0 stands in every row, but its own solutions are meant
    chosen = choose_solutions(table, metadata(table), antenna="0")
    assert chosen.use[0][:, 0].all()
    assert not chosen.use[0][:, 1:].any()
    with pytest.raises(EmptySelection):
        fluxes(table, antenna="DV99")


def test_excluded_antenna_with_scan_is_limited_to_it() -> None:
    table = gain_table()
    chosen = choose_solutions(table, metadata(table), antenna="!2", scan="2")
    assert chosen.use[0][:, 2].tolist() == [False, True, False, False, False]
    assert chosen.use[0][:, [0, 1, 3, 4, 5]].all()


def test_gain_threshold() -> None:
    table = gain_table()
    table.solutions[0].param[3, 2] *= 1.5
    table.solutions[0].param[1, 4] *= 0.5
    plain = derive_fluxes(table, [0], [1]).fields[1].spws[0]
    within = derive_fluxes(table, [0], [1], gain_threshold=0.3).fields[1].spws[0]
    assert within.flux_jy == pytest.approx(2.0, rel=1e-6)
    assert within.error_jy < 1e-5 < plain.error_jy
    assert derive_fluxes(table, [0], [1], gain_threshold=5.0).fields[1].spws[0].error_jy == plain.error_jy


# ---------------------------------------------------------------- tables


def test_scaled_gains_are_those_of_the_reference() -> None:
    table = gain_table()
    scaled = scaled_table(table, derive_fluxes(table, [0], [1]))
    for number in range(3):
        before, after = table.solutions[number], scaled.solutions[number]
        np.testing.assert_array_equal(before.param[[0, 2, 4]], after.param[[0, 2, 4]])
        np.testing.assert_allclose(after.param[[1, 3]], before.param[[1, 3]] / np.sqrt(2), rtol=1e-6)
        np.testing.assert_allclose(np.abs(after.param[1]), np.abs(before.param[0]), rtol=1e-6)
        np.testing.assert_array_equal(before.error, after.error)


def test_incremental_and_original_make_the_scaled() -> None:
    table = gain_table()
    table.solutions[1].flag[0] = True
    scale = derive_fluxes(table, [0], [1])
    factors, scaled = incremental_table(table, scale), scaled_table(table, scale)
    for number in range(3):
        sol = table.solutions[number]
        product = sol.param * factors.solutions[number].param[sol.field]
        np.testing.assert_allclose(product, scaled.solutions[number].param, rtol=1e-6)
    assert factors.solutions[0].field.tolist() == [0, 1, 2]
    assert (factors.solutions[1].param == 1).all(), "nothing was derived there"
    assert not factors.solutions[1].flag.any()


# ---------------------------------------------------------------- what is told


def told(**options: Any) -> tuple[dict[str, Any], list[str], list[str]]:
    table = gain_table(noise=0.02)
    table.solutions[1].flag[0] = True
    scale = derive_fluxes(table, [0], [1], **options)
    names = [f.name for f in table.fields], [s.name for s in table.spws]
    return casa_dict(scale, *names, options.get("fit_order", 1)), flux_lines(scale), found_lines(scale)


def test_dictionary_has_casas_shape() -> None:
    result, *_ = told()
    assert list(result) == ["1", "freq", "spwID", "spwName"]
    field = result["1"]
    assert list(field) == [
        "0", "1", "2", "covarMat", "fieldName", "fitFluxd", "fitFluxdErr", "fitRefFreq", "spidx", "spidxerr",
    ]  # fmt: skip
    assert field["0"]["fluxd"].shape == (4,)
    assert field["0"]["fluxd"][0] == pytest.approx(2.0, rel=0.02)
    assert field["0"]["fluxd"][1:].tolist() == [0, 0, 0]
    assert field["0"]["numSol"].tolist() == [2.0 * NANT, 0, 0, 0]
    assert field["1"]["fluxd"].tolist() == [-1, -1, -1, -1]
    assert field["covarMat"].shape == (2, 2)
    assert field["spidx"].shape == (2,)
    assert field["fieldName"] == "phase"
    assert result["freq"].tolist() == list(FREQ_HZ)
    assert result["spwID"].tolist() == [0, 1, 2]
    assert result["spwName"].tolist() == ["BB_0", "BB_1", "BB_2"]


def test_lines() -> None:
    result, lines, found = told()
    one = result["1"]["0"]
    assert lines[0] == (
        f" Flux density for phase in SpW=0 (freq=9e+10 Hz) is: {one['fluxd'][0]:.6g} +/- {one['fluxdErr'][0]:.6g} "
        f"(SNR = {one['fluxd'][0] / one['fluxdErr'][0]:.6g}, N = 12)"
    )
    assert lines[1] == " Flux density for phase in SpW=1 is:  INSUFFICIENT DATA "
    assert lines[3].startswith(" Fitted spectrum for phase with fitorder=1: Flux density = ")
    assert found == [lines[0], lines[2], lines[3]]
    _, lines, _ = told(refspwmap=[0, 2, 2])
    assert "SpW=1 (freq=9.2e+10 Hz) (ref SpW=2) is: " in lines[1]


def test_fit_order_above_what_the_spws_give(caplog: pytest.LogCaptureFixture) -> None:
    result, *_ = told(fit_order=4)
    assert "fitorder=4 needs more than 2 spws; fitted with order 1" in caplog.text
    assert result["1"]["spidx"].shape == (5,)
    assert result["1"]["spidx"][2:].tolist() == [0, 0, 0]
