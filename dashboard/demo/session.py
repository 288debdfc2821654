"""What the demo's buttons do, apart from Gradio: open, segment, show, download; for each open tab."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.cli.progress import ReportProgress, silent
from core.data.grid import Grid, Spacing
from core.data.readers.uploads import Upload, read_upload
from core.errors import ImageError, ModelError
from core.imaging.overlay import Rgb, num_to_rgb
from core.storage.workspace import Workspace
from dashboard.demo.downloads import Download, colour_download, mask_download, nifti_download, report_download
from dashboard.demo.likeness import Likeness, likeness_of, remarks
from dashboard.demo.linked_scan import linked_scan
from dashboard.demo.models import ModelCache, ModelChoice, Segmenter, offered_models
from dashboard.demo.received import RECEIVED
from dashboard.demo.results import (
    ORGAN_IDS,
    Segmentation,
    described,
    get_class_statistics_gradio,
    overlay_of,
    result_status,
    segment_upload,
    statistics_table,
)
from dashboard.demo.tabs import TabUploads

Third = Literal["Mask", "Confidence"]
DownloadKind = Literal["mask", "colours", "nifti", "report"]
DOWNLOADS: dict[str, DownloadKind] = {
    "Mask, class ids (PNG)": "mask",
    "Mask, colours (PNG)": "colours",
    "NIfTI": "nifti",
    "Report (HTML)": "report",
}
"""By what their buttons say."""
NOTHING_YET = "Choose a slice, a scan or one of the examples, then press **Segment**."
NOT_SEGMENTED_YET = "not segmented yet: press **Segment**"


@dataclass(frozen=True)
class DisplayOptions:
    """How a tab wants its slice shown."""

    position: int = 0
    opacity: float = 0.45
    organs: Collection[int] = ORGAN_IDS
    third: Third = "Mask"
    spacing_mm: Spacing | None = None
    """What the user says of the spacing (z, y, x), for files that do not state it."""


@dataclass(frozen=True)
class View:
    """What a tab shows."""

    status: str
    """Markdown."""
    count: int = 0
    """Slices in the upload."""
    position: int = 0
    grey: NDArray[np.uint8] | None = None
    overlay: Rgb | None = None
    third: NDArray[np.uint8] | None = None
    """The mask's colours, or the confidence: dark is unsure, white is certain."""
    statistics: str = ""
    """Of this slice, Markdown."""
    scan_statistics: str = ""
    """Of the whole scan, Markdown; nothing where the upload is none."""


class Demo:
    """The demo over a workspace: its models, and what every tab has open."""

    def __init__(self, workspace: Workspace, run_name: str | None = None, *, model_cache: ModelCache | None = None) -> None:
        self.workspace, self.run_name = workspace, run_name
        self.model_cache, self.tabs = model_cache or ModelCache(), TabUploads()
        self._likeness: dict[Path, Likeness | None] = {}

    def models(self) -> dict[str, ModelChoice]:
        """The models to choose from by name, the default first.

        Raises:
            WorkspaceError, ModelError: see `dashboard.demo.models.choose_model`.
        """
        return {choice.name: choice for choice in offered_models(self.workspace, self.run_name)}

    def model(self, name: str | None) -> ModelChoice:
        """One of them, or the default; never a path that a stranger names.

        Raises:
            ModelError: there is none of that name.
        """
        known = self.models()
        if not name:
            return next(iter(known.values()))
        if name not in known:
            raise ModelError("There is no such model", value=name[:80], todo=f"choose one of: {', '.join(list(known)[:5])}")
        return known[name]

    def warm_up(self) -> None:
        """Load the default model.

        Raises:
            WorkspaceError, ModelError: see `dashboard.demo.models.choose_model` and `core.model.segformer.load_model`.
        """
        self.likeness(self.model(None))
        self.model_cache.recipe(self.model(None))

    def likeness(self, choice: ModelChoice) -> Likeness | None:
        """See `dashboard.demo.likeness`."""
        if choice.source not in self._likeness:
            self._likeness[choice.source] = likeness_of(choice)
        return self._likeness[choice.source]

    def open(self, session: str, upload: Upload) -> None:
        """Keep an upload as the tab's, in place of the one before."""
        self.tabs.put(session, upload)

    def open_files(self, session: str, paths: Sequence[Path]) -> None:
        """Read files into memory and delete them.

        Raises:
            GutCheckError: files that were not uploaded, or see `core.data.readers.uploads.read_upload`; the tab then has
                nothing open.
        """
        self.tabs.clear(session)
        with RECEIVED.taken(paths) as files:
            self.tabs.put(session, read_upload(files))

    def open_link(self, session: str, query: Mapping[str, str]) -> int | None:
        """Open the scan that an address names; the position of its slice, or nothing where it names none.

        Raises:
            GutCheckError: see `dashboard.demo.linked_scan.linked_scan`.
        """
        linked = linked_scan(self.workspace, query)
        if linked is None:
            return None
        upload, position = linked
        self.tabs.put(session, upload)
        return position

    def segment(self, session: str, model: str | None, progress: ReportProgress = silent) -> None:
        """Segment what the tab has open.

        Raises:
            ImageError: nothing is open.
            ModelError: see `core.model.segformer.load_model`.
        """
        upload = _upload_of(self.tabs.get(session))
        if upload is None:
            raise ImageError("There is no picture yet", todo="choose a slice or one of the examples, then press Segment")
        self.tabs.put(session, self.segmented(upload, model, progress))

    def segmented(self, upload: Upload, model: str | None, progress: ReportProgress = silent) -> Segmentation:
        """An upload's segmentation, with what to say of its likeness to the training data.

        Raises:
            ModelError: no such model, or see `core.model.segformer.load_model`.
        """
        choice = self.model(model)
        result = segment_upload(upload, Segmenter(choice, self.model_cache), progress=progress)
        return replace(result, remarks=remarks(upload, self.likeness(choice)))

    def forget_result(self, session: str) -> None:
        """Keep the upload only: its result is of another model than the one that is chosen now."""
        upload = _upload_of(self.tabs.get(session))
        if upload is not None:
            self.tabs.put(session, upload)

    def view(self, session: str, options: DisplayOptions) -> View:
        """What the tab shows now; nothing is predicted for it."""
        item = self.tabs.get(session)
        if item is None:
            return View(NOTHING_YET)
        upload = item if isinstance(item, Upload) else item.upload
        count = len(upload.slices)
        position = min(max(options.position, 0), count - 1)
        grey = upload.grey(position)
        if isinstance(item, Upload):
            return View(f"{described(upload, position)}, {NOT_SEGMENTED_YET}.", count, position, grey)
        overlay = overlay_of(item, position, options.opacity, options.organs)
        third = item.confidence[position] if options.third == "Confidence" else num_to_rgb(item.label_maps[position])
        grid = grid_of(upload, options)
        of_slice = get_class_statistics_gradio(item.label_maps[position], grid=grid, partial=upload.partial)
        of_scan = _scan_statistics(item, grid)
        if of_scan:
            of_slice = f"**This slice**\n\n{of_slice}"
        return View(result_status(item, position), count, position, grey, overlay, third, of_slice, of_scan)

    def download(self, session: str, kind: DownloadKind, options: DisplayOptions) -> Download:
        """A file of the tab's result.

        Raises:
            ImageError: nothing is segmented.
        """
        result = self.tabs.get(session)
        if not isinstance(result, Segmentation):
            raise ImageError("Nothing is segmented yet", todo="press Segment first")
        grid = grid_of(result.upload, options)
        match kind:
            case "mask":
                return mask_download(result)
            case "colours":
                return colour_download(result)
            case "nifti":
                return nifti_download(result, options.position, grid)
            case "report":
                return report_download(result, options.position, grid)


def _upload_of(item: Upload | Segmentation | None) -> Upload | None:
    return item.upload if isinstance(item, Segmentation) else item


def _scan_statistics(result: Segmentation, grid: Grid) -> str:
    if not result.upload.is_scan or len(result.label_maps) == 1:
        return ""
    shape = (len(result.label_maps), *result.label_maps[0].shape)
    return "**Whole scan**\n\n" + statistics_table(result.scan_statistics, shape, grid, result.upload.partial)


def grid_of(upload: Upload, options: DisplayOptions) -> Grid:
    """What the files state of place and spacing, or else the user's spacing."""
    return upload.grid if upload.grid.spacing_mm else Grid(None, options.spacing_mm)
