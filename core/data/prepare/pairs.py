"""`prepare pairs DIR`: a folder with ``images/`` and ``masks/``, divided anew."""

from pathlib import Path

from core.cli.progress import ReportProgress, silent
from core.config import SplitConfig
from core.data.identity import UW_MADISON_PATTERN, check_pattern, parse_slice_name
from core.data.images import read_image
from core.data.index import pair_files
from core.data.manifest import DatasetManifest
from core.data.masks import read_mask
from core.data.prepare.writer import Prepared, writing_dataset
from core.errors import DatasetError


def prepare_pairs(
    source: Path,
    out: Path,
    *,
    split: SplitConfig,
    name: str | None = None,
    pattern: str = UW_MADISON_PATTERN,
    spacing_mm: tuple[float, float, float] | None = None,
    progress: ReportProgress = silent,
) -> Prepared:
    """Check every pair of ``source``, split them by patient and write the data set ``out``; files are copied as they are.

    Args:
        spacing_mm: distance of voxel centres (z, y, x) of these pictures, where known.

    Raises:
        DatasetError: missing folders, unpaired files, none at all, or fewer than two patients.
        ImageError, MaskError: a file that cannot be used, named.
    """
    pairs = pair_files(source / "images", source / "masks")
    if not pairs:
        raise DatasetError("The folder has no PNG pairs", value=source, todo="put slices in images/ and masks/")
    manifest = DatasetManifest(
        name=name or out.resolve().name,
        source=f"pairs {source.name}",
        pattern=check_pattern(pattern),
        spacing_mm=spacing_mm,
    )
    with writing_dataset(out, manifest, split) as draft:
        for done, (stem, image, mask) in enumerate(pairs):
            progress(done, len(pairs), stem)
            height, width = read_image(image).shape
            label_map = read_mask(mask, shape=(height, width))
            draft.writer.add(
                stem,
                parse_slice_name(stem, pattern).patient,
                image_png=image.read_bytes(),
                mask_png=mask.read_bytes(),
                annotated=bool(label_map.any()),
            )
        progress(len(pairs), len(pairs), "hashing")
    return draft.result
