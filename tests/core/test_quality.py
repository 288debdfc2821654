"""The Dice to expect: where confidence tells the quality it beats the mean, and where it does not it says so."""

import numpy as np
import pandas as pd
import pytest

from core.files import write_json
from core.quality import KEYS, MIN_PATIENTS, add_expected_dice, features, fit_quality
from core.runs import Evaluation
from core.workspace import EvaluationPaths


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
    rows = [(300, 0.9), (100, 0.5), (0, np.nan)]
    slices = pd.DataFrame([name | {"prediction_voxels": voxels, "confidence": sure} for voxels, sure in rows])
    (found,) = features(slices).to_dict("records")
    assert found == pytest.approx(name | {"mean": 0.8, "low": 0.54, "size": np.log10(400)})


def test_telling_confidence_beats_the_mean() -> None:
    slices, scans = tables()
    model, expected = fit_quality(slices, scans)
    assert (model.patients, model.estimates, set(model.weights)) == (20, 40, {"stomach"})
    assert model.mean_absolute_error < 0.03
    assert model.error_of_the_mean > 0.15
    stomach = expected.merge(scans, on=KEYS).query("organ == 'stomach'")
    assert model.mean_absolute_error == pytest.approx((stomach["expected_dice"] - stomach["dice"]).abs().mean())
    assert expected[expected["organ"] != "stomach"]["expected_dice"].isna().all()


def test_confidence_that_tells_nothing_is_found_out() -> None:
    model, _ = fit_quality(*tables(telling=False))
    assert model.mean_absolute_error > 0.9 * model.error_of_the_mean


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
    found = model.expect(slices[~known]).merge(scans, on=KEYS).query("organ == 'stomach'")
    assert len(found) == 20
    assert (found["expected_dice"] - found["dice"]).abs().max() < 0.1
    assert found["expected_dice"].between(0, 1).all()


def test_too_few_patients() -> None:
    assert fit_quality(*tables(MIN_PATIENTS - 1)) is None
    assert fit_quality(*tables(MIN_PATIENTS)) is not None


def test_without_confidence_there_is_no_estimate() -> None:
    slices, scans = tables()
    assert fit_quality(slices.assign(confidence=np.nan), scans) is None


@pytest.mark.parametrize("patients", [3, 10])
def test_adding_it_to_an_evaluation(tmp_path, patients: int) -> None:
    paths = EvaluationPaths(tmp_path)
    slices, scans = tables(patients)
    slices.to_parquet(paths.slices, index=False)
    scans.to_parquet(paths.scans, index=False)
    write_json(paths.summary, {"macro_dice": 0.5})
    first = add_expected_dice(Evaluation("r1", "tiny-valid", paths, {"macro_dice": 0.5}))
    done = add_expected_dice(first)
    assert done == first
    table = done.scans()
    pd.testing.assert_frame_equal(table[scans.columns.tolist()], scans)
    if patients < MIN_PATIENTS:
        assert "expected_dice" not in table
        assert done.summary == {"macro_dice": 0.5}
    else:
        assert table["expected_dice"].notna().sum() == 2 * patients
        assert done.summary["expected_dice"]["patients"] == patients
