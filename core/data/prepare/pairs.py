"""`prepare pairs DIR`: a folder with ``images/`` and ``masks/``, divided anew."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from core.cli.progress import ReportProgress, silent
from core.config import SplitConfig
from core.data.grid import Spacing
from core.data.identity import SCAN_PATTERN, clean_name, is_clean, parse_slice_name
from core.data.images import Pixels, read_image
from core.data.index import group_scans, pair_files, png_files
from core.data.manifest import DatasetManifest, ScanInfo
from core.data.prepare.mask_files import read_labels
from core.data.prepare.patients import PatientRule
from core.data.prepare.writer import Draft, Prepared, writing_dataset
from core.data.readers.label_files import LabelTable
from core.data.scan import Scan, SliceFile, check_alike
from core.errors import DatasetError


def prepare_pairs(
    source: Path,
    out: Path,
    *,
    split: SplitConfig,
    name: str | None = None,
    patients: PatientRule | None = None,
    spacing_mm: Spacing | None = None,
    labels: LabelTable | None = None,
    progress: ReportProgress = silent,
) -> Prepared:
    """Check every pair of ``source``, split them by patient and write the data set ``out``; files are copied as they are.

    Without a folder of masks no picture has a reference. Where a name cannot be a file's on every system, all slices are
    renamed after their scan.

    Args:
        spacing_mm: distance of voxel centres (z, y, x) of these pictures, where known.

    Raises:
        DatasetError: missing folders, unpaired files, none at all, names that tell no patient, slices of a scan that differ,
            or fewer than two patients.
        ImageError, MaskError: a file that cannot be used, named.
    """
    rule = patients or PatientRule()
    files = _find(source, rule)
    manifest = DatasetManifest(name or out.resolve().name, f"pairs {source.name}", pattern=rule.pattern, spacing_mm=spacing_mm)
    scans = group_scans(files, manifest)
    if any(scan.has_reference for scan in scans):
        rule.check(each.name for each in files)
    with writing_dataset(out, manifest, split) as draft:
        for done, stem in enumerate(_add(draft, scans, labels or LabelTable())):
            progress(done, len(files), stem)
        progress(len(files), len(files), "hashing")
    return draft.result


def _find(source: Path, rule: PatientRule) -> list[SliceFile]:
    pairs: list[tuple[str, Path, Path | None]]
    if (source / "images").is_dir() and not (source / "masks").exists():
        pairs = [(stem, image, None) for stem, image in png_files(source / "images").items()]
    else:
        pairs = list(pair_files(source / "images", source / "masks"))
    if not pairs:
        raise DatasetError("The folder has no PNG pairs", value=source, todo="put slices in images/ and masks/")
    return [SliceFile(rule.read(stem), image, mask) for stem, image, mask in pairs]


def _add(draft: Draft, scans: Sequence[Scan], labels: LabelTable) -> Iterator[str]:
    """Write every slice; give the name of each before it is read."""
    names = _names(draft, scans)
    for scan in scans:
        first: Pixels | None = None
        for each in scan.slices:
            stem = names[each.name.stem]
            yield stem
            image = read_image(each.image)
            first = image if first is None else first
            check_alike(scan.id, (first, image))
            found = None if each.mask is None else read_labels(each.mask, (image.shape[0], image.shape[1]), labels)
            draft.writer.add(
                stem,
                scan.patient,
                image_png=each.image.read_bytes(),
                mask_png=None if found is None else found[1],
                annotated=found is not None and bool(found[0].any()),
            )
            told = parse_slice_name(stem, draft.manifest.pattern)
            if each.name.parsed and (not told.parsed or told.patient != scan.patient):
                draft.scans[told.scan] = ScanInfo(patient=scan.patient)


def _names(draft: Draft, scans: Sequence[Scan]) -> dict[str, str]:
    """The name of each slice in the data set, by its own."""
    slices = [(scan.id, each.name) for scan in scans for each in scan.slices]
    if all(is_clean(scan) and is_clean(name.stem) for scan, name in slices):
        return {name.stem: name.stem for _, name in slices}
    draft.renamed |= {scan: clean_name(scan) for scan, _ in slices}
    draft.manifest = replace(draft.manifest, pattern=SCAN_PATTERN)
    return {name.stem: f"{draft.renamed[scan]}_slice_{name.number:04d}" for scan, name in slices}
