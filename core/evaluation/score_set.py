"""The scores of a set of scans as they come in, one at a time: the files of an evaluation, and the conventions behind them."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.config import ScoringConfig
from core.data.leakage import LeakBadge
from core.data.masks import LabelMap
from core.data.scan import Scan
from core.evaluation.expected_dice import with_expected_dice
from core.labels import CLASSES, NUM_CLASSES
from core.metrics.bootstrap import METHOD
from core.metrics.competition import CompetitionTerms, competition_score, competition_terms
from core.metrics.confidence import Confidence
from core.metrics.geometry import KNOWN, measures
from core.metrics.overlap import Confusion
from core.metrics.regions import error_regions, region_rows, regions_frame
from core.metrics.scan_scores import ScanScores, score_pair
from core.metrics.tables import ALL_ORGANS_RULE, frame, over_all_organs, scan_rows, slice_rows, summarise
from core.metrics.volume_pair import VolumePair
from core.storage.files import sha256_of_array, write_json
from core.storage.workspace import EvaluationPaths
from core.versions import package_versions

EVALUATION_FORMAT = "gutcheck-evaluation/1"
CONVENTIONS: dict[str, Any] = {
    "unit": "one scan, as a 3D volume; means are over scans",
    "background": "left out",
    "all_organs": ALL_ORGANS_RULE,
    "empty_masks": "both empty: undefined, left out and counted; only one empty: 0, counted as missed or false alarm; "
    "its distances are then the diagonal of the scan's extent, its NSD 0",
    "size": "native; predictions resized back by nearest neighbour; where images are stored at another size, "
    "the spacing is stretched with them",
    "surface": "voxels with at least one of six face neighbours outside the organ; outside the volume counts as outside",
    "hd95": "the larger of the two directed 95th percentiles, linear between order statistics, in mm between voxel centres",
    "nsd": "surface voxels of both masks within the tolerance of the other surface, over all surface voxels of both",
    "mean_surface_distance": "mean over the surface voxels of both masks together (ASSD)",
    "volume_error": "prediction less reference",
    "unknown_spacing": "no spacing, or slices missing in between: distances and volumes are undefined, left out and counted",
    "intervals": METHOD,
}


class ScoreSet:
    """Scores of the scans that were added; holds rows and counts, never a volume."""

    def __init__(self, *, leak: str, config: ScoringConfig) -> None:
        """
        Args:
            leak: text of the leak badge, put beside every score.
        """
        self.leak, self.config = leak, config
        self.totals: dict[str, Confusion] = {}
        """(4, 4) class pairs by scan."""
        self.facts: dict[str, dict[str, Any]] = {}
        """What each scan's scores rest on."""
        self._slices: list[pd.DataFrame] = []
        self._scans: list[dict[str, Any]] = []
        self._errors: list[dict[str, Any]] = []
        self._competition: list[CompetitionTerms] = []
        self._unmeasured: dict[str, list[str]] = defaultdict(list)

    def add(
        self,
        scan: Scan,
        *,
        reference: LabelMap,
        prediction: LabelMap,
        image: NDArray[Any] | None = None,
        confidence: Confidence | None = None,
    ) -> ScanScores:
        """Score one scan; see `VolumePair.of` for what it raises.

        Args:
            reference, prediction: (Z, H, W) uint8 at the size in which the scan is stored.
            image: (Z, H, W); ``None`` where there is none.
            confidence: the network's own; ``None`` where nobody knows.
        """
        pair = VolumePair.of(reference=reference, prediction=prediction)
        spacing, voxel_ml, reason = measures(scan, (reference.shape[1], reference.shape[2]))
        if reason != KNOWN:
            self._unmeasured[reason].append(scan.id)
        scores = score_pair(pair, spacing, self.config.tolerances_mm, voxel_ml=voxel_ml)
        # As a table: a row of each slice and organ as a dictionary takes ten times the memory.
        self._slices.append(frame(slice_rows(scan, pair.confusion, confidence=confidence, leak=self.leak)))
        self._scans += scan_rows(scan, scores, confidence=confidence, leak=self.leak)
        self._errors += region_rows(
            scan, error_regions(reference, prediction, spacing, voxel_ml=voxel_ml, partial=scan.is_partial)
        )
        self.totals[scan.id] = pair.total
        if not scan.is_partial:
            self._competition.append(competition_terms(pair))
        self.facts[scan.id] = _place(scan) | {
            "size": list(reference.shape[1:]),
            "image_sha256": "" if image is None else sha256_of_array(image),
            "reference_sha256": sha256_of_array(reference),
            "prediction_sha256": sha256_of_array(prediction),
        }
        return scores

    def slices(self) -> pd.DataFrame:
        """``slices.parquet``, see `core.metrics.tables.slice_rows`."""
        return pd.concat(self._slices, ignore_index=True)

    def scans(self) -> pd.DataFrame:
        """``scans.parquet``, see `core.metrics.tables.scan_rows`; without what is expected of a scan."""
        return frame(self._scans)

    def errors(self) -> pd.DataFrame:
        """``errors.parquet``, see `core.metrics.regions.regions_frame`."""
        return regions_frame(self._errors)

    def summary(self) -> dict[str, Any]:
        """The part of ``evaluation.json`` that follows from the scores alone."""
        table = self.scans()
        return {
            "organs": summarise(table),
            "all_organs": over_all_organs(table),
            "confusion": self._confusion(),
            "competition": self._competition_json(),
            "partial_count": sum(facts["partial"] for facts in self.facts.values()),
            "without_distances": dict(self._unmeasured),
            "tolerances_mm": list(self.config.tolerances_mm),
            "conventions": CONVENTIONS,
        }

    def write(
        self, paths: EvaluationPaths, run: str, dataset: dict[str, Any], split: str, leak: LeakBadge, made_by: dict[str, Any]
    ) -> dict[str, Any]:
        """Write the tables and ``evaluation.json``; return the latter.

        Args:
            dataset: its name, root and whether it is synthetic.
            made_by: what else the scores rest on.
        """
        slices = self.slices()
        scans, quality = with_expected_dice(self.scans(), slices)
        slices.to_parquet(paths.slices, index=False)
        scans.to_parquet(paths.scans, index=False)
        self.errors().to_parquet(paths.errors, index=False)
        summary = {
            "format": EVALUATION_FORMAT,
            "run": run,
            "dataset": dataset,
            "split": split,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "scan_count": len(self.facts),
            "patient_count": len({facts["patient"] for facts in self.facts.values()}),
            "slice_count": sum(len(facts["slice_numbers"]) for facts in self.facts.values()),
            **made_by,
            "versions": package_versions(),
            "leak": leak.to_json(),
            **self.summary(),
            **({} if quality is None else {"expected_dice": quality.to_json()}),
            "scans": self.facts,
        }
        write_json(paths.summary, summary)
        return summary

    def _confusion(self) -> dict[str, Any]:
        total = sum(self.totals.values(), np.zeros((NUM_CLASSES, NUM_CLASSES), np.int64))
        return {
            "classes": [each.name for each in CLASSES],
            "rows": "reference",
            "columns": "prediction",
            "pixels": total.tolist(),
        }

    def _competition_json(self) -> dict[str, Any] | None:
        score = competition_score(self._competition)
        left_out = len(self.totals) - len(self._competition)
        return None if score is None else score.to_json() | {"scans_left_out": left_out, "leak": self.leak}


def _place(scan: Scan) -> dict[str, Any]:
    """Whose scan it is, which slices, and where they lie."""
    return {
        "patient": scan.patient,
        "slice_numbers": [each.name.number for each in scan.slices],
        "partial": scan.is_partial,
        "spacing_mm": scan.info.grid.spacing_mm,
        "native_size": scan.info.native_size,
        "affine": scan.info.affine,
        "geometry": scan.info.geometry,
    }
