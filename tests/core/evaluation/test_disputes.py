"""Candidates for a wrong reference, worked out by hand, and the lists of known disputed scans."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.data.manifest import DatasetManifest
from core.errors import DatasetError
from core.evaluation.disputes import HOSTS_REASON, UW_MADISON_DISPUTED, disputed_scans, scan_candidates, slice_candidates
from core.metrics.regions import COLUMNS

NAN = float("nan")


def row(scan: str, number: int, counts: tuple[int, int, int], confidence: float, organ: str = "stomach") -> dict[str, Any]:
    reference, prediction, both = counts
    total = reference + prediction
    return {
        "patient": scan.partition("_")[0], "scan": scan, "day": 0, "slice": number, "position": number - 1, "organ": organ,
        "dice": 2 * both / total if total else NAN, "confidence": confidence, "reference_voxels": reference,
        "prediction_voxels": prediction, "both_voxels": both,
    }  # fmt: skip


SLICES = pd.DataFrame(
    [
        row("case1_day0", 1, (100, 100, 50), 0.9),  # Dice 0.5, sure
        row("case1_day0", 2, (100, 100, 90), 0.9),  # 20 voxels differ: the tip of an organ
        row("case1_day0", 3, (200, 0, 0), NAN),  # not drawn here: the scan's confidence, 0.9
        row("case2_day0", 1, (0, 100, 0), 0.5),  # drawn, unsure
        row("case2_day0", 2, (300, 0, 0), NAN, "large_bowel"),  # drawn nowhere in the scan: nothing is known
        row("case2_day0", 3, (0, 0, 0), NAN),
    ]
)


def test_slices_by_hand() -> None:
    found = slice_candidates(SLICES)
    assert found["suspicion"].tolist() == pytest.approx([0.9, 0.5, 0.45])
    assert list(zip(found["scan"], found["slice"], strict=True)) == [("case1_day0", 3), ("case2_day0", 1), ("case1_day0", 1)]
    assert found["kind"].tolist() == ["only_in_reference", "only_in_prediction", "shifted"]
    assert found["confidence_from"].tolist() == ["scan", "slice", "slice"]
    assert found["differing_voxels"].tolist() == [200, 100, 100]
    assert not found["disputed"].any()


def test_where_nothing_was_drawn_it_counts_how_sure_that_is() -> None:
    """Case 2's large bowel, drawn nowhere, becomes a candidate: the model was sure of that and the reference has 300 voxels."""
    absent = SLICES.assign(confidence_absent=[NAN, NAN, 0.6, NAN, 0.8, 0.99])
    found = slice_candidates(absent).set_index(["scan", "slice"])
    assert found["confidence_from"].to_dict() == {
        ("case2_day0", 2): "absent",
        ("case1_day0", 3): "absent",
        ("case2_day0", 1): "slice",
        ("case1_day0", 1): "slice",
    }
    assert found["suspicion"].tolist() == pytest.approx([0.8, 0.6, 0.5, 0.45])
    scans = scan_candidates(absent).set_index("scan")["suspicion"]
    # (0.9 × 100 + 0.9 × 20 + 0.6 × 200) / 600 and (0.5 × 100 + 0.8 × 300) / 400.
    assert scans.to_dict() == pytest.approx({"case2_day0": 0.725, "case1_day0": 0.38})


def test_more_is_a_candidate_with_a_lower_bound() -> None:
    assert len(slice_candidates(SLICES, min_voxels=1)) == 4
    assert len(slice_candidates(SLICES, min_voxels=0)) == 4


def test_scans_by_hand() -> None:
    found = scan_candidates(SLICES, disputed={"case1_day0": "hosts"}).set_index("scan")
    # (0.9 × 100 + 0.9 × 20 + 0.9 × 200) / 600 and 0.5 × 100 / 400.
    assert found["suspicion"].to_dict() == pytest.approx({"case1_day0": 0.48, "case2_day0": 0.125})
    assert found["candidates"].to_dict() == {"case1_day0": 2, "case2_day0": 1}
    assert found["slice"].to_dict() == {"case1_day0": 3, "case2_day0": 1}
    assert found["disputed"].to_dict() == {"case1_day0": True, "case2_day0": False}
    assert found["reason"].to_dict() == {"case1_day0": "hosts", "case2_day0": ""}


def test_a_scan_without_candidates_is_listed_still() -> None:
    (found,) = scan_candidates(SLICES[SLICES["slice"] == 3].query("scan == 'case2_day0'")).to_dict("records")
    assert (found["suspicion"], found["candidates"]) == (0, 0)
    assert pd.isna(found["slice"])


def test_without_any_confidence_there_are_no_candidates() -> None:
    assert slice_candidates(SLICES.assign(confidence=NAN)).empty


def test_the_kind_is_that_of_the_largest_region_there() -> None:
    region = dict.fromkeys(COLUMNS, 0) | {
        "scan": "case1_day0",
        "organ": "stomach",
        "other": "",
        "first_slice": 1,
        "last_slice": 2,
    }
    errors = pd.DataFrame(
        [
            region | {"kind": "boundary", "voxels": 10},
            region | {"kind": "swapped", "voxels": 60, "organ": "large_bowel", "other": "stomach"},
            region | {"kind": "missed_part", "voxels": 900, "first_slice": 3, "last_slice": 3},
        ]
    )
    found = slice_candidates(SLICES, errors=errors).set_index(["scan", "slice"])["kind"]
    assert found.to_dict() == {
        ("case1_day0", 3): "missed_part",
        ("case1_day0", 1): "swapped",
        ("case2_day0", 1): "only_in_prediction",
    }


def test_the_hosts_list() -> None:
    assert len(set(UW_MADISON_DISPUTED)) == 12


@pytest.mark.parametrize(
    ("manifest", "count"),
    [
        (DatasetManifest("uw", source="UW-Madison GI Tract Image Segmentation (Kaggle, 2022)"), 12),
        (DatasetManifest("course", stated=False), 12),
        (DatasetManifest("phantoms", source="synthetic phantoms, seed 1", synthetic=True), 0),
        (DatasetManifest("own", source="pairs own"), 0),
    ],
)
def test_which_data_sets_have_the_hosts_list(tmp_path: Path, manifest: DatasetManifest, count: int) -> None:
    found = disputed_scans(tmp_path, manifest)
    assert len(found) == count
    assert set(found.values()) <= {HOSTS_REASON}


def test_a_list_of_ones_own(tmp_path: Path) -> None:
    text = "# seen on 3 May\ncase5_day1  the colon's  end is missing\n\ncase6_day0 # no reason\n"
    (tmp_path / "disputed.txt").write_text(text)
    manifest = DatasetManifest("own", source="pairs own")
    assert disputed_scans(tmp_path, manifest) == {"case5_day1": "the colon's end is missing", "case6_day0": ""}
    (tmp_path / "disputed.txt").write_text("uw-madison-hosts\n")
    assert disputed_scans(tmp_path, manifest).keys() == set(UW_MADISON_DISPUTED)


def test_a_list_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "disputed.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match=r"^The list of disputed scans cannot be read: .*; write one scan a line"):
        disputed_scans(tmp_path, DatasetManifest("own"))
