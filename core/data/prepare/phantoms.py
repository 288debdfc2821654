"""`prepare phantom`: a data set of synthetic scans."""

from pathlib import Path

from core.cli.progress import ReportProgress, silent
from core.config import PhantomConfig, SplitConfig
from core.data.images import encode_png
from core.data.manifest import DatasetManifest, ScanInfo
from core.data.phantom.scan import make_scan
from core.data.prepare.writer import Draft, Prepared, writing_dataset

PHANTOM_PATTERN = r"(?P<scan>(?P<patient>phantom\d+)_day(?P<day>\d+))_slice_(?P<slice>\d+)"
DEPTH_MM = 320.0
WIDTH_MM = 358.4
SECOND_DAY = 7


def prepare_phantom(
    out: Path,
    *,
    config: PhantomConfig,
    split: SplitConfig,
    name: str | None = None,
    progress: ReportProgress = silent,
) -> Prepared:
    """Make ``config.patients`` synthetic patients, every second one with two days, and write the data set ``out``.

    Raises:
        WorkspaceError: ``out`` holds something already, or cannot be written.
    """
    patients = range(config.first_patient, config.first_patient + config.patients)
    scans = [(patient, day) for patient in patients for day in ((0, SECOND_DAY) if patient % 2 == 0 else (0,))]
    spacing_mm = (DEPTH_MM / config.slices, WIDTH_MM / config.size, WIDTH_MM / config.size)
    manifest = DatasetManifest(
        name=name or out.resolve().name,
        source=f"synthetic phantoms, seed {split.seed}",
        licence="public domain (CC0)",
        synthetic=True,
        pattern=PHANTOM_PATTERN,
        spacing_mm=spacing_mm,
    )
    with writing_dataset(out, manifest, split) as draft:
        for done, (patient, day) in enumerate(scans):
            scan_id = f"phantom{patient:03d}_day{day}"
            progress(done, len(scans), scan_id)
            _add_scan(draft, scan_id, patient, day, config, spacing_mm, split.seed)
            draft.scans[scan_id] = ScanInfo(spacing_mm)
        progress(len(scans), len(scans), "hashing")
    return draft.result


def _add_scan(
    draft: Draft,
    scan_id: str,
    patient: int,
    day: int,
    config: PhantomConfig,
    spacing_mm: tuple[float, float, float],
    seed: int,
) -> None:
    shape = (config.slices, config.size, config.size)
    scan = make_scan(patient, day, seed=seed, shape=shape, spacing_mm=spacing_mm)
    for number, (image, label_map) in enumerate(zip(scan.image, scan.label_map, strict=True), start=1):
        draft.writer.add(
            f"{scan_id}_slice_{number:04d}",
            scan_id.partition("_")[0],
            image_png=encode_png(image),
            mask_png=encode_png(label_map),
            annotated=bool(label_map.any()),
        )
