"""The Dice to expect: where confidence tells the quality it beats the mean, and where it does not it says so."""

import numpy as np
import pandas as pd
import pytest

from core.evaluation.expected_dice import (
    COLUMNS,
    INTERVAL_AIM,
    KEYS,
    MIN_PATIENTS,
    RIDGE,
    features,
    fit_quality,
    with_expected_dice,
)
from tests.estimates import estimates


def tables(patients: int = 20, *, telling: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two scans a patient with four slices of stomach each; its Dice is twice the confidence less 0.9, or nothing to do with it.

    The large bowel is drawn by the first three patients alone, the small bowel by none.
    """
    random = np.random.default_rng(0)
    slices, scans = [], []
    for number in range(patients):
        for day in (0, 5):
            name = {"patient": f"case{number}", "scan": f"case{number}_day{day}"}
            sure = random.uniform(0.5, 0.95)
            for organ, drawn in (("stomach", True), ("small_bowel", False), ("large_bowel", number < 3)):
                dice = (2 * sure - 0.9 if telling else random.uniform(0.1, 1.0)) if drawn else np.nan
                scans.append(name | {"organ": organ, "dice": dice, "hd95_mm": 1.0})
                each = {"organ": organ, "prediction_voxels": 100 * drawn, "confidence": sure if drawn else np.nan}
                slices += [name | each | {"slice": z} for z in range(4)]
    return pd.DataFrame(slices), pd.DataFrame(scans)


def test_features_by_hand() -> None:
    name = {"patient": "case1", "scan": "case1_day0", "organ": "stomach"}
    rows = [(300, 0.9, 1.0), (100, 0.5, 0.2), (0, np.nan, 0.0)]
    columns = ("prediction_voxels", "confidence", "flip_agreement")
    slices = pd.DataFrame([name | dict(zip(columns, row, strict=True)) for row in rows])
    (found,) = features(slices).to_dict("records")
    assert found == pytest.approx(name | {"mean": 0.8, "low": 0.54, "size": np.log10(400), "flips": 0.8})
    (found,) = features(slices.drop(columns="flip_agreement")).to_dict("records")
    assert np.isnan(found["flips"])


def test_agreement_under_flips_tells_what_the_confidence_does_not() -> None:
    slices, scans = tables(telling=False)
    dice = slices[KEYS].merge(scans, on=KEYS)["dice"].to_numpy()
    without, _ = fit_quality(slices, scans)
    model, _ = fit_quality(slices.assign(flip_agreement=dice), scans)
    assert (without.weights["stomach"][-1], model.weights["stomach"][-1] > 0.5) == (0, True)
    assert model.mean_absolute_error < 0.2 * without.mean_absolute_error
    # An estimate that rests on it is not given without it.
    assert estimates(model, slices)["expected_dice"].isna().all()
    assert estimates(without, slices)["expected_dice"].notna().any()


def test_telling_confidence_beats_the_mean() -> None:
    slices, scans = tables()
    model, expected = fit_quality(slices, scans)
    assert (model.patients, model.estimates, set(model.weights)) == (20, 40, {"stomach"})
    assert model.mean_absolute_error < 0.03
    assert model.error_of_the_mean > 0.15
    assert model.correlation > 0.98
    stomach = expected.merge(scans, on=KEYS).query("organ == 'stomach'")
    assert model.mean_absolute_error == pytest.approx((stomach["expected_dice"] - stomach["dice"]).abs().mean())
    assert expected[expected["organ"] != "stomach"]["expected_dice"].isna().all()


def test_confidence_that_tells_nothing_is_found_out() -> None:
    model, _ = fit_quality(*tables(telling=False))
    assert model.mean_absolute_error > 0.9 * model.error_of_the_mean
    assert model.correlation < 0.3


def test_a_patient_s_own_dice_does_not_enter_its_estimate() -> None:
    slices, scans = tables()
    _, before = fit_quality(slices, scans)
    mine = scans["patient"] == "case7"
    _, after = fit_quality(slices, scans.assign(dice=scans["dice"].where(~mine, 0.0)))
    same = (before["patient"] == "case7") & (before["organ"] == "stomach")
    assert before[same]["expected_dice"].tolist() == after[same]["expected_dice"].tolist()
    assert before[~same]["expected_dice"].tolist() != after[~same]["expected_dice"].tolist()


def test_new_scans_need_no_reference() -> None:
    slices, scans = tables(30)
    known = slices["patient"].isin([f"case{number}" for number in range(20)])
    model, _ = fit_quality(slices[known], scans[scans["scan"].isin(slices[known]["scan"])])
    found = estimates(model, slices[~known]).merge(scans, on=KEYS).query("organ == 'stomach'")
    assert len(found) == 20
    assert (found["expected_dice"] - found["dice"]).abs().max() < 0.1
    assert found["expected_dice"].between(0, 1).all()


def test_too_few_patients() -> None:
    assert fit_quality(*tables(MIN_PATIENTS - 1)) is None
    assert fit_quality(*tables(MIN_PATIENTS)) is not None


def test_without_confidence_there_is_no_estimate() -> None:
    slices, scans = tables()
    assert fit_quality(slices.assign(confidence=np.nan), scans) is None


@pytest.mark.parametrize("telling", [True, False])
def test_the_interval_holds_what_it_says_on_unseen_patients(telling: bool) -> None:
    """Fitted on 40 patients, checked on 160 others."""
    slices, scans = tables(200, telling=telling)
    known = slices["patient"].isin([f"case{number}" for number in range(40)])
    model, _ = fit_quality(slices[known], scans[scans["scan"].isin(slices[known]["scan"])])
    assert model.coverage == pytest.approx(INTERVAL_AIM, abs=0.06)
    found = estimates(model, slices[~known]).merge(scans, on=KEYS).query("organ == 'stomach'")
    inside = found["dice"].between(found["expected_dice_low"], found["expected_dice_high"])
    assert inside.mean() > INTERVAL_AIM - 0.06
    assert telling or inside.mean() < INTERVAL_AIM + 0.06
    width = (found["expected_dice_high"] - found["expected_dice_low"]).max()
    assert width < 0.1 if telling else width > 0.5


def test_the_estimates_are_those_of_least_squares() -> None:
    """An independent recoding: NumPy's least squares with the ridge as extra rows, and each left-out patient by hand."""
    slices, scans = tables(12)
    model, expected = fit_quality(slices, scans)
    rows = features(slices).merge(scans, on=KEYS).query("organ == 'stomach'")
    rows = rows.assign(size=rows["size"] + np.linspace(0, 0.1, len(rows)))
    _, expected = fit_quality(_with_sizes(slices, rows), scans)
    found = rows.merge(expected, on=KEYS)
    for patient, mine in found.groupby("patient"):
        others = found[found["patient"] != patient]
        assert mine["expected_dice"].to_numpy() == pytest.approx(_by_lstsq(others, mine), abs=1e-6)
    off = (found["expected_dice"] - found["dice"]).abs()
    mine = found["patient"] == "case3"
    half = np.sort(off[~mine])[int(np.ceil((22 + 1) * INTERVAL_AIM)) - 1]
    assert (found["expected_dice"] - found["expected_dice_low"])[mine].tolist() == pytest.approx([half] * 2)
    assert model.patients == 12


def _with_sizes(slices: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The slices with such voxel counts that the scans have the sizes of ``rows``."""
    voxels = (10 ** rows.set_index(KEYS)["size"]) / 4
    found = slices.set_index(KEYS).join(voxels.rename("voxels"))
    return found.assign(prediction_voxels=found.pop("voxels").fillna(0.0)).reset_index()


def _by_lstsq(others: pd.DataFrame, mine: pd.DataFrame) -> np.ndarray:
    seen, dice = others[["mean", "low", "size"]].to_numpy(), others["dice"].to_numpy()
    middle, spread = seen.mean(axis=0), seen.std(axis=0)
    rows = np.vstack([(seen - middle) / spread, np.sqrt(RIDGE) * np.eye(3)])
    slopes = np.linalg.lstsq(rows, np.concatenate([dice - dice.mean(), np.zeros(3)]))[0]
    return dice.mean() + (mine[["mean", "low", "size"]].to_numpy() - middle) / spread @ slopes


@pytest.mark.parametrize("patients", [3, 10])
def test_adding_it_to_the_scan_table(patients: int) -> None:
    slices, scans = tables(patients)
    table, model = with_expected_dice(scans, slices)
    pd.testing.assert_frame_equal(table[scans.columns.tolist()], scans)
    if patients < MIN_PATIENTS:
        assert model is None
        assert not set(COLUMNS) & set(table)
    else:
        assert table[COLUMNS].notna().sum().tolist() == [2 * patients] * 3
        assert model.to_json()["patients"] == patients
        assert table["expected_dice"].between(table["expected_dice_low"], table["expected_dice_high"]).mean() > 0
