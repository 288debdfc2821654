"""Checking the files of a data set before hours of training rest on them."""

from collections.abc import Sequence

from core.cli.progress import ReportProgress, silent
from core.data.identity import listed
from core.data.images import check_picture
from core.data.scan import Scan, SliceFile
from core.errors import DatasetError, ImageError


def check_slices(scans: Sequence[Scan], *, progress: ReportProgress = silent) -> None:
    """Check size and checksums of every image and mask, without decoding them.

    Raises:
        DatasetError: files that are damaged or of another size than their partner; all are counted, the first few named.
    """
    slices = [each for scan in scans for each in scan.slices]
    problems = []
    for done, each in enumerate(slices):
        progress(done, len(slices), "checking")
        problem = _problem(each)
        if problem:
            problems.append(problem)
    progress(len(slices), len(slices), "checked")
    if problems:
        what = "A slice of the data set cannot be used" if len(problems) == 1 else f"{len(problems)} slices cannot be used"
        raise DatasetError(what, value=listed(problems, "; "), todo="restore these files or remove the pairs")


def _problem(each: SliceFile) -> str:
    try:
        image, mask = check_picture(each.image), check_picture(each.reference())
    except ImageError as error:
        return f"{error.what}, {error.value}"
    if image != mask:
        return f"the mask is {mask[1]}×{mask[0]} and the image {image[1]}×{image[0]} pixels, {each.mask}"
    return ""
