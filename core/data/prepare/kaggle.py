"""`prepare kaggle DIR`: the competition's own layout, ``train.csv`` with run lengths beside 16-bit scans."""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from core.cli.progress import ReportProgress, silent
from core.config import SplitConfig
from core.data.identity import MAX_NAMED, SLICE_SPACING_MM, natural_key, parse_slice_name
from core.data.images import check_picture, encode_png, read_image
from core.data.manifest import DatasetManifest, ScanInfo
from core.data.masks import LabelMap, decode_rle, merge_organs
from core.data.prepare.patients import PatientRule
from core.data.prepare.writer import Prepared, writing_dataset
from core.errors import DatasetError, MaskError
from core.labels import ORGANS

_FILE = re.compile(r"slice_(\d+)_(\d+)_(\d+)_(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class SourceSlice:
    """One scan file of the competition: ``slice_SSSS_WIDTH_HEIGHT_SPACING_SPACING.png`` in its scan's folder."""

    id: str
    path: Path
    size: tuple[int, int]
    """(height, width) by the name."""
    spacing_mm: tuple[float, float, float]

    @property
    def geometry(self) -> str:
        """Size and spacing as people read them."""
        (height, width), (_, y, x) = self.size, self.spacing_mm
        return f"{width}×{height} pixels of {x:g}×{y:g} mm"


def prepare_kaggle(
    source: Path, out: Path, *, split: SplitConfig, name: str | None = None, progress: ReportProgress = silent
) -> Prepared:
    """Decode the run lengths of ``source/train.csv`` and write the data set ``out``, divided as ``split`` says.

    Where organs overlap the smaller one wins; contested pixels are counted per scan in ``dataset.json``.

    Raises:
        DatasetError: no table, no scans, rows without a scan or scans without a row (named), a size that differs from
            the name's, or patients whose names differ in leading zeros only.
        MaskError: run lengths that do not fit their slice.
    """
    slices = find_slices(source)
    runs = read_runs(source / "train.csv")
    _check_same(slices, runs, source)
    PatientRule().check(parse_slice_name(each.id) for each in slices)
    manifest = DatasetManifest(
        name=name or out.resolve().name,
        source="UW-Madison GI Tract Image Segmentation (Kaggle, 2022)",
        licence="CC BY-NC-SA 4.0",
    )
    contested: Counter[str] = Counter()
    with writing_dataset(out, manifest, split) as draft:
        for done, each in enumerate(slices):
            progress(done, len(slices), each.id)
            _check_size(each)
            label_map, clashes = decode_slice(each, runs[each.id])
            named = parse_slice_name(each.id)
            contested[named.scan] += clashes
            draft.scans[named.scan] = ScanInfo(each.spacing_mm, each.size, contested[named.scan])
            draft.writer.add(
                each.id,
                named.patient,
                image_png=each.path.read_bytes(),
                mask_png=encode_png(label_map),
                annotated=bool(label_map.any()),
            )
        progress(len(slices), len(slices), "hashing")
    return draft.result


def find_slices(source: Path) -> list[SourceSlice]:
    """The scan files below ``source/train``, by id.

    Raises:
        DatasetError: none, a name that does not state size and spacing, or slices of a scan that differ in them.
    """
    found = (source / "train").glob("case*/case*_day*/scans/*.[pP][nN][gG]")
    paths = sorted((path for path in found if path.name[0] != "."), key=lambda path: natural_key(path.as_posix()))
    if not paths:
        todo = "give the folder that holds train.csv and train/caseN/caseN_dayM/scans"
        raise DatasetError("The folder has no scans in the competition's layout", value=source, todo=todo)
    slices = [_source_slice(path) for path in paths]
    for scan, members in groupby(slices, key=lambda each: each.path.parent):
        kinds = sorted({each.geometry for each in members})
        if len(kinds) > 1:
            what = f"The slices of scan {scan.parent.name} differ in size or spacing"
            raise DatasetError(what, value=", ".join(kinds), todo="restore the files, or remove the scan and its rows")
    return slices


def _source_slice(path: Path) -> SourceSlice:
    match = _FILE.fullmatch(path.stem)
    if match is None:
        raise DatasetError("A file name states no size and spacing", value=path, todo="keep the competition's names")
    number, width, height, spacing_y, spacing_x = match.groups()
    return SourceSlice(
        id=f"{path.parent.parent.name}_slice_{number}",
        path=path,
        size=(int(height), int(width)),
        spacing_mm=(SLICE_SPACING_MM, float(spacing_y), float(spacing_x)),
    )


def read_runs(table: Path) -> dict[str, dict[str, str]]:
    """Run lengths by slice id and organ; an organ that is absent has no entry.

    Raises:
        DatasetError: the table is missing, is not CSV, lacks a column, names an unknown class, or has two rows for one organ.
    """
    try:
        columns = ["id", "class", "segmentation"]
        rows = pd.read_csv(table, usecols=columns, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DatasetError("train.csv is missing", value=table, todo="give the competition's folder") from error
    except (OSError, ValueError) as error:
        todo = "it needs the columns id, class and segmentation"
        raise DatasetError("train.csv cannot be read", value=table, todo=todo) from error
    unknown = sorted(set(rows["class"]) - {organ.name for organ in ORGANS})
    if unknown:
        raise DatasetError("train.csv names an unknown class", value=unknown[0], todo="correct the table")
    if (twice := rows.duplicated(["id", "class"])).any():
        slice_id, organ = rows.loc[twice, ["id", "class"]].iloc[0]
        # Lines as an editor counts them, the header's being the first.
        lines = [str(row + 2) for row in rows.index[(rows["id"] == slice_id) & (rows["class"] == organ)]]
        value = f"{slice_id}, {organ}, lines {' and '.join(lines)} of {table}"
        raise DatasetError("train.csv has two rows for one slice and organ", value=value, todo="keep the right one")
    runs: dict[str, dict[str, str]] = {slice_id: {} for slice_id in rows["id"]}
    for slice_id, organ, text in zip(rows["id"], rows["class"], rows["segmentation"], strict=True):
        if text:
            runs[slice_id][organ] = text
    return runs


def decode_slice(each: SourceSlice, runs: dict[str, str]) -> tuple[LabelMap, int]:
    """Label map (H, W) uint8 of one slice, and the number of pixels that more than one organ claimed.

    Raises:
        MaskError: run lengths that do not fit, with the slice's name.
    """
    try:
        found = {organ.id: decode_rle(runs[organ.name], each.size) for organ in ORGANS if organ.name in runs}
    except MaskError as error:
        raise MaskError(f"{each.id}: {error.what}", value=error.value, todo=error.todo) from error
    return merge_organs(found) if found else (np.zeros(each.size, np.uint8), 0)


def _check_same(slices: list[SourceSlice], runs: dict[str, dict[str, str]], source: Path) -> None:
    ids = {each.id for each in slices}
    missing, surplus = sorted(runs.keys() - ids), sorted(ids - runs.keys())
    for what, found in (("Rows of train.csv have no scan file", missing), ("Scan files have no row in train.csv", surplus)):
        if found:
            value = f"{len(found)} in {source}, such as {', '.join(found[:MAX_NAMED])}"
            raise DatasetError(what, value=value, todo="complete the download")


def _check_size(each: SourceSlice) -> None:
    if check_picture(each.path) != each.size:
        height, width = read_image(each.path).shape
        what = f"A slice is {width}×{height} pixels, but its name says {each.size[1]}×{each.size[0]}"
        raise DatasetError(what, value=each.path, todo="restore the file")
