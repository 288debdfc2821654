"""The scan of the workspace that a link from Review names, as an upload (`dashboard.demo.link`)."""

from collections.abc import Mapping

from core.data.index import load_index
from core.data.readers.label_files import Spacing
from core.data.readers.uploads import Upload
from core.errors import WorkspaceError
from core.runs.registry import open_run
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
    folder = workspace.run(run).root
    if not folder.is_dir():
        raise WorkspaceError("There is no such run", value=run, todo="open the case from Review")
    evaluation = open_run(folder).evaluation(name)
    facts = evaluation.scan_facts(scan)
    source = load_index(evaluation.dataset_root).scan(evaluation.split, scan)
    numbers = tuple(each.name.number for each in source.slices)
    names = tuple(f"{scan}, slice {number}" for number in numbers)
    spacing = _stored_spacing(facts)
    upload = Upload(f"{scan} of {evaluation.name}", tuple(source.read_image(check=False)), names, numbers, True, spacing)
    wanted = query.get("slice", "")
    number = int(wanted) if wanted.isdecimal() and len(wanted) < 10 else numbers[len(numbers) // 2]
    return upload, min(range(len(numbers)), key=lambda i: abs(numbers[i] - number))


def _stored_spacing(facts: Mapping[str, object]) -> Spacing | None:
    """Spacing of the pictures as they are stored: that of the native size, over as many pixels as were kept."""
    spacing, native, size = (facts.get(key) for key in ("spacing_mm", "native_size", "size"))
    if not isinstance(spacing, list | tuple):
        return None
    z, y, x = (float(step) for step in spacing)
    if not (isinstance(native, list | tuple) and isinstance(size, list | tuple)):
        return z, y, x
    return z, y * native[0] / size[0], x * native[1] / size[1]
