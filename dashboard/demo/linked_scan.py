"""The scan of the workspace that a link from Review names, as an upload (`dashboard.demo.link`)."""

from collections.abc import Mapping

from core.data.grid import Grid
from core.data.readers.uploads import Upload
from core.runs.registry import find_evaluation
from core.storage.workspace import Workspace

PARTS = ("run", "evaluation", "case")


def linked_scan(workspace: Workspace, query: Mapping[str, str]) -> tuple[Upload, int] | None:
    """The scan that a link names, and the position of its slice; nothing where the address names none.

    Raises:
        WorkspaceError: a name that can be none, or of something that the open workspace has not.
        DatasetError, ImageError: the evaluation's data set has gone or is damaged.
    """
    if not all(query.get(part) for part in PARTS):
        return None
    run, name, scan = (query[part] for part in PARTS)
    evaluation = find_evaluation(workspace, run=run, evaluation=name, scan=scan)
    source = evaluation.find_scan(scan)
    image = tuple(source.read_image(check=False))
    numbers = tuple(each.name.number for each in source.slices)
    names = tuple(f"{scan}, slice {number}" for number in numbers)
    size, place = image[0].shape, source.info.grid
    known = place.affine is not None
    grid = place.resized(source.info.native_size or size, size) if known else Grid(None, evaluation.stored_spacing(scan, size))
    upload = Upload(f"{scan} of {evaluation.name}", image, names, numbers, True, grid)
    wanted = query.get("slice", "")
    number = int(wanted) if wanted.isdecimal() and len(wanted) < 10 else numbers[len(numbers) // 2]
    return upload, min(range(len(numbers)), key=lambda i: abs(numbers[i] - number))
