"""Roles of fields from intents and from the user's words."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.errors import ArgumentError, SelectionError
from atacal.ms.measurement_set import MeasurementSet
from atacal.recipe.roles import field_intents, find_roles, nearest_phase_calibrator
from atacal.simulate import read_truth


def set_intents(path, intents):
    """Rewrite the OBS_MODE column."""
    from atacal.ms._tables import opened

    with opened(path / "STATE", writable=True) as tab:
        for row, text in enumerate(intents):
            tab.putcell("OBS_MODE", row, text)


def test_alma_intents_give_the_roles(sim_original):
    with MeasurementSet(sim_original) as ms:
        roles = find_roles(ms)
    truth = read_truth(sim_original)
    for role, fields in truth.roles.items():
        assert list(getattr(roles, role)) == fields
    assert roles.solved == (0, 1, 2)
    assert roles.by_own_gains == (0, 1)
    assert roles.by_phase_calibrator == (2, 3, 4)


def test_what_the_user_says_wins_by_name_id_and_pattern(sim_original):
    with MeasurementSet(sim_original) as ms:
        roles = find_roles(ms, bandpass="J1550+0527", flux="0", phase="J17*", target="2,4")
    assert (roles.bandpass, roles.flux, roles.phase, roles.target) == ((1,), (0,), (3,), (2, 4))
    assert roles.check == ()  # it is the phase calibrator now


def test_the_beginning_of_a_name_will_do_if_it_is_one_field_s(sim_original):
    with MeasurementSet(sim_original) as ms:
        assert find_roles(ms, flux="J155").flux == (1,)
        with pytest.raises(SelectionError, match="J1"):
            find_roles(ms, flux="J1")


def test_a_field_that_is_not_there_is_named_with_those_that_are(sim_original):
    with MeasurementSet(sim_original) as ms, pytest.raises(SelectionError, match="J1517-2422"):
        find_roles(ms, phase="NGC1")


def test_without_a_flux_intent_the_bandpass_calibrator_sets_the_scale(sim_ms):
    set_intents(sim_ms, ["CALIBRATE_BANDPASS#ON_SOURCE", "UNSPECIFIED"])
    with MeasurementSet(sim_ms) as ms:
        assert find_roles(ms).flux == (0,)


def test_early_blocks_give_every_calibrator_the_phase_intent(sim_ms):
    both = "CALIBRATE_PHASE#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE"
    set_intents(sim_ms, [f"CALIBRATE_BANDPASS#ON_SOURCE,{both}", f"CALIBRATE_AMPLI#ON_SOURCE,{both}", both])
    with MeasurementSet(sim_ms) as ms:
        roles = find_roles(ms)
    assert (roles.bandpass, roles.flux, roles.phase) == ((0,), (1,), (2,))


def test_off_source_intents_do_not_count(sim_ms):
    set_intents(sim_ms, ["CALIBRATE_BANDPASS#OFF_SOURCE"])
    with MeasurementSet(sim_ms) as ms:
        assert "CALIBRATE_BANDPASS" not in field_intents(ms)[0]
        with pytest.raises(ArgumentError, match="bandpass=") as error:
            find_roles(ms)
    assert "0 J1517-2422" in str(error.value)


def test_data_without_intents_need_names_and_all_other_fields_are_targets(sim_ms):
    set_intents(sim_ms, [""] * 5)
    with MeasurementSet(sim_ms) as ms:
        with pytest.raises(ArgumentError, match="name the bandpass calibrator"):
            find_roles(ms)
        roles = find_roles(ms, bandpass="0", phase="2")
    assert roles.target == (1, 3, 4)
    assert roles.flux == (0,)


def test_each_target_goes_with_the_nearest_phase_calibrator(sim_original):
    with MeasurementSet(sim_original) as ms:
        roles = find_roles(ms, phase="1,3")
        nearest = nearest_phase_calibrator(ms.metadata, roles)
    assert nearest[1] == 1
    assert nearest[3] == 3
    assert nearest[4] == 3  # J1700-2610 is 6 degrees away, J1550+0527 31
    assert set(nearest) == {1, 3, 4}
    assert np.all([p in (1, 3) for p in nearest.values()])
