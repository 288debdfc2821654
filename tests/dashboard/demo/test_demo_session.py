"""What the demo's buttons do: one tab's way from an upload to its result and downloads, over a model that is a stub."""

import gzip
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import nibabel as nib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import SegformerForSemanticSegmentation

from core.config import InferenceConfig, InputRecipe
from core.data.grid import Grid
from core.data.images import Window, model_window, volume_window
from core.data.index import DatasetIndex, load_index
from core.data.masks import LabelMap
from core.data.phantom.scan import make_scan
from core.data.readers.uploads import Upload, read_upload
from core.errors import GutCheckError, ImageError, ModelError, WorkspaceError
from core.labels import PALETTE
from core.model.context import neighbours
from core.model.predictor import Predictor
from core.model.segformer import architecture
from core.runs.registry import open_run
from core.storage.workspace import Workspace
from dashboard.demo import session as session_module
from dashboard.demo.examples import example_scans, example_slices
from dashboard.demo.likeness import Likeness, likeness_of, numbers_of, remarks
from dashboard.demo.link import demo_link
from dashboard.demo.linked_scan import linked_scan
from dashboard.demo.models import ModelCache, ModelChoice, Segmenter
from dashboard.demo.results import Segmentation, segment_upload
from dashboard.demo.session import NOTHING_YET, Demo, DisplayOptions
from dashboard.demo.tabs import TabUploads
from tests.core.data.readers.odd_files import ODD_FILES, grey, png, sent, series
from tests.rounding import both

TAB, OTHER_TAB = "tab", "another"
STUB = ModelChoice("stub", Path("stub"), "phantoms", True)


class StubCache(ModelCache):
    """A model that calls bright pixels large bowel and is as sure as they are bright; counts its predictions."""

    def __init__(self, recipe: InputRecipe | None = None) -> None:
        self.stated, self.calls = recipe or InputRecipe(), 0

    def recipe(self, choice: ModelChoice) -> InputRecipe:
        return self.stated

    def predict(
        self,
        choice: ModelChoice,
        image: NDArray[Any],
        window: Window | None = None,
        *,
        between: tuple[NDArray[Any], NDArray[Any]] | None = None,
    ) -> tuple[LabelMap, LabelMap]:
        self.calls += 1
        seen = (window or model_window(image)).apply(image)
        return np.where(seen > 127, 3, 0).astype(np.uint8), seen


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Demo:
    opened = Demo(Workspace(tmp_path / "workspace"), model_cache=StubCache())
    monkeypatch.setattr(opened, "models", lambda: {"stub": STUB})
    monkeypatch.setattr(session_module, "likeness_of", lambda choice: Likeness(np.zeros(3), np.ones(3), 9))
    return opened


def calls(demo: Demo) -> int:
    assert isinstance(demo.model_cache, StubCache)
    return demo.model_cache.calls


def test_from_nothing_to_a_result(demo: Demo, tmp_path: Path) -> None:
    assert demo.view(TAB, DisplayOptions()).status == NOTHING_YET
    demo.open_files(TAB, sent(ODD_FILES["16-bit grey PNG"](tmp_path)))
    before = demo.view(TAB, DisplayOptions())
    assert before.status.startswith("**a.png**, 48 × 40 pixels, 16 bits, not segmented yet")
    assert (before.overlay, before.third, before.statistics) == (None, None, "")

    demo.segment(TAB, "stub")

    after = demo.view(TAB, DisplayOptions(opacity=1.0))
    bright = volume_window(grey().astype(np.uint16) * 16).apply(grey().astype(np.uint16) * 16)
    np.testing.assert_array_equal(after.grey, bright)
    np.testing.assert_array_equal(after.third, PALETTE[np.where(bright > 127, 3, 0)])
    assert (after.overlay[bright > 127] == [255, 0, 0]).all()
    assert "Large bowel" in after.statistics
    assert demo.view(OTHER_TAB, DisplayOptions()).status == NOTHING_YET


def test_blending_and_toggles_do_not_predict_again(demo: Demo) -> None:
    demo.open(TAB, Upload("a", (np.array([[100, 200]], np.uint8),), ("a",), (1,)))
    demo.segment(TAB, None)
    half, hidden, unsure = (
        demo.view(TAB, wish)
        for wish in (DisplayOptions(opacity=0.5), DisplayOptions(organs=[1, 2]), DisplayOptions(third="Confidence"))
    )
    # Under the window of a picture of 100 and 200: black and white, and half of red over white.
    assert half.overlay.tolist() == [[[0, 0, 0], [255, 128, 128]]]
    assert hidden.overlay.tolist() == [[[0, 0, 0], [255, 255, 255]]]
    assert unsure.third.tolist() == [[100, 200]]
    assert calls(demo) == 1


def test_the_files_are_deleted_whether_they_can_be_used_or_not(demo: Demo, tmp_path: Path) -> None:
    for kind in ("8-bit grey PNG", "text file", "zip bomb", "DICOM series"):
        folder = tmp_path / kind
        folder.mkdir()
        try:
            demo.open_files(TAB, sent(ODD_FILES[kind](folder)))
        except GutCheckError:
            assert demo.view(TAB, DisplayOptions()).status == NOTHING_YET
        assert list(folder.iterdir()) == []


def test_another_model_makes_the_result_forgotten(demo: Demo) -> None:
    demo.open(TAB, example_slices()[0])
    demo.segment(TAB, None)
    demo.forget_result(TAB)
    assert demo.view(TAB, DisplayOptions()).overlay is None
    with pytest.raises(ModelError, match=r"^There is no such model: other; choose one of: stub\.$"):
        demo.segment(TAB, "other")


def test_segmenting_and_downloading_too_early(demo: Demo) -> None:
    with pytest.raises(ImageError, match="There is no picture yet; choose a slice or one of the examples"):
        demo.segment(TAB, None)
    with pytest.raises(ImageError, match=r"^Nothing is segmented yet; press Segment first\.$"):
        demo.download(TAB, "mask", DisplayOptions())


def test_a_scan_is_told_slice_by_slice(demo: Demo, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    demo.open_files(TAB, sent(series(tmp_path)))
    demo.segment(TAB, None, lambda done, total, what: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    view = demo.view(TAB, DisplayOptions(position=7))
    assert (view.count, view.position) == (3, 2)
    assert "slice 3 (3 of 3)" in view.status
    # 40 × 48 × 3 voxels of 2 × 2 × 5 mm: 20 mm³ each.
    assert f"Of 48 × 40 × 3 voxels; spacing {2} × 2 × 5 mm." in view.scan_statistics
    voxels = int((np.stack([result.label_maps for result in [_result(demo)]]) == 3).sum())
    assert f"| {voxels:,} | {100 * voxels / 5760:.2f} | {voxels * 0.02:.1f} |" in view.scan_statistics


def _result(demo: Demo) -> Segmentation:
    item = demo.tabs.get(TAB)
    assert isinstance(item, Segmentation)
    return item


@pytest.mark.parametrize("stride", [0, 2])
def test_slice_by_slice_is_what_predicting_the_volume_gives(stride: int) -> None:
    torch.manual_seed(0)
    recipe = InputRecipe(image_size=32, context_stride=stride)
    predictor = Predictor(SegformerForSemanticSegmentation(architecture("b0")), recipe, InferenceConfig(device="cpu"))
    scan = example_scans()[0]
    scan = replace(scan, numbers=(1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 13, 20))
    expected, sure = both(predictor.predict_scan(np.stack(scan.slices), numbers=scan.numbers))

    class Direct(StubCache):
        def predict(self, choice: ModelChoice, image: NDArray[Any], window: Window | None = None, *, between: Any = None) -> Any:
            return predictor.predict_slice(image, window, between=between)

    result = segment_upload(scan, Segmenter(STUB, Direct(recipe)))
    np.testing.assert_array_equal(np.stack(result.label_maps), expected)
    np.testing.assert_array_equal(np.stack(result.confidence), sure)
    assert stride == 0 or len(np.unique(neighbours(scan.numbers, stride)[0])) == 2


def test_spacing_is_the_files_or_else_the_users_and_unknown_where_slices_are_missing(demo: Demo, tmp_path: Path) -> None:
    stated = DisplayOptions(spacing_mm=(4.0, 1.0, 1.0))
    demo.open(TAB, Upload("a", (grey(), grey(1)), ("a", "b"), (1, 2), is_scan=True))
    demo.segment(TAB, None)
    assert "no volumes" in demo.view(TAB, DisplayOptions()).scan_statistics
    assert "spacing 1 × 1 × 4 mm" in demo.view(TAB, stated).scan_statistics
    demo.open(TAB, Upload("a", (grey(), grey(1)), ("a", "b"), (1, 3), is_scan=True))
    demo.segment(TAB, None)
    assert "no volumes" in demo.view(TAB, stated).scan_statistics


def test_partial_uploads_have_no_volume_and_say_why(demo: Demo) -> None:
    known = Grid(None, (4.0, 1.0, 1.0))
    for numbers, planes, why in (((1, 3), 2, "slices are missing, so no volumes"), ((1,), 1, "a single slice has no volume")):
        upload = Upload("a", tuple(grey(n) for n in range(planes)), ("a",) * planes, numbers, is_scan=True, grid=known)
        demo.open(TAB, upload)
        demo.segment(TAB, None)
        view = demo.view(TAB, DisplayOptions())
        assert f"spacing 1 × 1 × 4 mm; {why}." in view.statistics
        assert " ml |" not in view.statistics + view.scan_statistics


def test_a_sheared_scan_has_the_determinant_s_volume(demo: Demo) -> None:
    grid = Grid.of(np.array([[0, 0, 2.0, 0], [1.5, 2.0, 0, 0], [5.0, 0, 0, 0], [0, 0, 0, 1]]))
    demo.open(TAB, Upload("a", (grey(), grey(1)), ("a", "b"), (1, 2), is_scan=True, grid=grid))
    demo.segment(TAB, None)
    voxels = int((np.stack(_result(demo).label_maps) == 3).sum())
    assert f"| {voxels * 0.02:.1f} |" in demo.view(TAB, DisplayOptions()).scan_statistics


class TestDownloads:
    def test_pngs_of_a_picture(self, demo: Demo) -> None:
        demo.open(TAB, Upload("a b.png", (grey(),), ("a b.png",), (1,)))
        demo.segment(TAB, None)
        mask, colours = (demo.download(TAB, kind, DisplayOptions()) for kind in ("mask", "colours"))
        assert (mask.name, colours.name) == ("a_b_mask.png", "a_b_colours.png")
        ids = cv2.imdecode(np.frombuffer(mask.content, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(ids, _result(demo).label_maps[0])
        bgr = cv2.imdecode(np.frombuffer(colours.content, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(bgr[..., ::-1], PALETTE[ids])
        assert mask.url.startswith("data:image/png;base64,")

    def test_pngs_of_a_scan_are_zipped(self, demo: Demo, tmp_path: Path) -> None:
        demo.open_files(TAB, sent(ODD_FILES["zip of slices"](tmp_path)))
        demo.segment(TAB, None)
        packed = demo.download(TAB, "mask", DisplayOptions())
        assert packed.name == "a_mask.zip"
        with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
            assert archive.namelist() == [f"{n + 1:04d}_mr_{n}_mask.png" for n in range(3)]

    def test_nifti_lies_where_the_scan_lay(self, demo: Demo, tmp_path: Path) -> None:
        source = tmp_path / "a.nii.gz"
        voxels = grey(shape=(48, 40, 3)).astype(np.int16)
        nib.Nifti1Image(voxels, np.diag([2.0, 2.0, 5.0, 1.0])).to_filename(source)
        affine = nib.load(source).affine
        demo.open_files(TAB, sent([source]))
        demo.segment(TAB, None)
        # Brought back to the scan's own axes, the mask is where the scan is bright.
        back = nib.as_closest_canonical(self._image(demo.download(TAB, "nifti", DisplayOptions()).content))
        np.testing.assert_allclose(back.affine, affine)
        seen = volume_window(voxels).apply(voxels)
        np.testing.assert_array_equal(np.asarray(back.dataobj) == 3, seen > 127)

    @pytest.mark.parametrize("axes", ["ijk", "jki", "kij"])
    def test_nifti_has_the_file_s_own_order_of_axes(self, demo: Demo, tmp_path: Path, axes: str) -> None:
        voxels = np.random.default_rng(0).integers(0, 999, (48, 40, 20)).astype(np.int16)
        affine = np.diag([-2.0, 2.0, -5.0, 1.0])
        turn = ["ijk".index(axis) for axis in axes]
        nib.Nifti1Image(voxels.transpose(turn), affine[:, [*turn, 3]]).to_filename(tmp_path / "a.nii")
        demo.open_files(TAB, sent([tmp_path / "a.nii"]))
        demo.segment(TAB, None)
        mask = self._image(demo.download(TAB, "nifti", DisplayOptions()).content)
        np.testing.assert_allclose(mask.affine, affine[:, [*turn, 3]])
        seen = volume_window(voxels).apply(voxels.transpose(turn))
        np.testing.assert_array_equal(np.asarray(mask.dataobj) == 3, seen > 127)

    def test_missing_slices_are_empty_where_the_scan_lies_somewhere(self, demo: Demo) -> None:
        grid = Grid.of(np.diag([5.0, 2.0, 2.0, 1.0]))
        full = np.full((20, 20), 255, np.uint8)
        half = np.where(np.arange(20) < 10, full, 0)
        for place, depth in ((grid, 4), (Grid(None, (5.0, 2.0, 2.0)), 2)):
            demo.open(TAB, Upload("a", (half, half), ("a", "b"), (1, 4), is_scan=True, grid=place))
            demo.segment(TAB, None)
            drawn = np.asarray(self._image(demo.download(TAB, "nifti", DisplayOptions()).content).dataobj).any(axis=(0, 1))
            assert (drawn.tolist(), len(drawn)) == ([True, *([False] * (depth - 2)), True], depth)

    def test_nifti_says_when_its_spacing_is_assumed(self, demo: Demo) -> None:
        demo.open(TAB, Upload("a.png", (grey(),), ("a.png",), (1,)))
        demo.segment(TAB, None)
        assumed = self._image(demo.download(TAB, "nifti", DisplayOptions()).content)
        stated = self._image(demo.download(TAB, "nifti", DisplayOptions(spacing_mm=(3.0, 1.5, 1.5))).content)
        assert (assumed.header.get_zooms(), stated.header.get_zooms()) == ((1.0, 1.0, 1.0), (1.5, 1.5, 3.0))
        assert b"1 mm assumed" in bytes(assumed.header["descrip"])
        assert b"assumed" not in bytes(stated.header["descrip"])

    def _image(self, content: bytes) -> Any:
        return nib.Nifti1Image.from_bytes(gzip.decompress(content))

    def test_the_report_is_one_file_and_escapes_what_it_quotes(self, demo: Demo) -> None:
        demo.open(TAB, Upload("<b>x</b>.png", (grey(),), ("<b>x</b>.png",), (1,), grid=Grid(None, (3.0, 1.5, 1.5))))
        demo.segment(TAB, None)
        made = demo.download(TAB, "report", DisplayOptions())
        page = made.content.decode()
        assert made.name.endswith("_report.html")
        for text in (
            "&lt;b&gt;x",
            "Not a medical device",
            "Large bowel",
            "a single slice has no volume",
            "data:image/png;base64,",
        ):
            assert text in page
        assert "<b>x" not in page
        assert "http://" not in page.replace("http://www.w3.org", "")


class TestTabUploads:
    def test_the_oldest_goes_first_and_the_newest_stays(self) -> None:
        tabs = TabUploads(kept_bytes=3000)
        for tab in "abc":
            tabs.put(tab, _upload_of_bytes(1000))
        tabs.get("a")
        tabs.put("d", _upload_of_bytes(1000))
        assert [tab for tab in "abcd" if tabs.get(tab)] == ["a", "c", "d"]
        tabs.put("e", _upload_of_bytes(9000))
        assert [tab for tab in "abcde" if tabs.get(tab)] == ["e"]

    def test_what_is_unused_for_long_is_forgotten(self) -> None:
        now = [0.0]
        tabs = TabUploads(kept_s=10, clock=lambda: now[0])
        tabs.put("a", _upload_of_bytes(1))
        now[0] = 9
        assert tabs.get("a")
        now[0] = 18
        assert tabs.get("a")
        now[0] = 29
        assert tabs.get("a") is None
        assert len(tabs) == 0

    def test_closing_a_tab_forgets_it(self) -> None:
        tabs = TabUploads()
        tabs.put("a", _upload_of_bytes(1))
        tabs.clear("a")
        tabs.clear("never there")
        assert len(tabs) == 0


def _upload_of_bytes(count: int) -> Upload:
    return Upload("a", (np.zeros((1, count), np.uint8),), ("a",), (1,))


class TestLikeness:
    def test_numbers_by_hand(self) -> None:
        flat = np.full((224, 224), 51, np.uint8)
        np.testing.assert_allclose(numbers_of(flat), [0.2, 0.2, 1.0])
        board = np.indices((224, 224)).sum(axis=0) % 2 * 255
        np.testing.assert_allclose(numbers_of(board.astype(np.uint8)), [0.5, 0.5, -1.0], atol=0.01)

    def test_phantoms_are_alike_and_noise_is_not(self) -> None:
        known = likeness_of(STUB)
        assert known is not None
        assert known.count == 36
        scan = make_scan(7, shape=(12, 224, 224)).image
        upload = Upload("a", tuple(scan), ("a",) * 12, tuple(range(12)), is_scan=True)
        assert set(remarks(upload, known)) == {""}
        noise = Upload("a", (grey(shape=(224, 224)), grey(1, (64, 64))), ("a", "b"), (1, 2), colours=(False, True))
        said = remarks(noise, known)
        assert said[0].startswith("This looks unlike the model's training data in overall brightness, brightness along the edge,")
        assert "in colour, overall brightness" in said[1]
        assert "compared with 36 of its slices" in said[1]

    def test_a_bright_slice_does_not_make_a_scan_s_others_unlike(self) -> None:
        known = likeness_of(STUB)
        scan = make_scan(7, shape=(12, 224, 224)).image.copy()
        scan[:2] = np.minimum(scan[:2].astype(int) * 20, 65_535)
        assert volume_window(scan).apply(scan[5]).max() < 100
        assert set(remarks(Upload("a", tuple(scan), ("a",) * 12, tuple(range(12)), is_scan=True), known)) == {""}

    def test_real_training_slices_set_the_range(self, tiny_index: DatasetIndex) -> None:
        known = likeness_of(replace(STUB, dataset=Path(tiny_index.root), synthetic=False))
        assert known is not None
        slices = [each for scan in tiny_index.splits["train"] for each in scan.slices]
        assert known.count == len(slices)
        assert [known.outside(volume_window(each.read()[0]).apply(each.read()[0])) for each in slices] == [[]] * len(slices)

    def test_without_the_training_data_nobody_can_say(self) -> None:
        assert likeness_of(replace(STUB, synthetic=False)) is None
        assert remarks(example_slices()[0], None)[0].startswith("Nobody can say whether this looks like")


class TestLinks:
    """A case of the workspace, sent to the demo by its address."""

    def query(self, folder: Path, **other: str) -> dict[str, str]:
        evaluation = open_run(folder / "runs" / "stub").evaluation("small-valid")
        scan = next(iter(evaluation.summary["scans"]))
        address = demo_link(evaluation, scan, evaluation.scan_facts(scan)["slice_numbers"][3])
        assert address.startswith("/demo/?run=stub&evaluation=small-valid&case=")
        return dict(part.split("=") for part in address.partition("?")[2].split("&")) | other

    def test_the_scan_is_opened_at_its_slice(self, folder: Path) -> None:
        query = self.query(folder)
        found = linked_scan(Workspace(folder), query)
        assert found is not None
        upload, position = found
        evaluation = open_run(folder / "runs" / "stub").evaluation("small-valid")
        source = load_index(evaluation.dataset_root).scan(evaluation.split, query["case"])
        np.testing.assert_array_equal(np.stack(upload.slices), source.read_image())
        assert (upload.numbers[position], position) == (int(query["slice"]), 3)
        assert upload.is_scan

    def test_its_voxels_lie_where_the_data_set_says(self, folder: Path) -> None:
        query = self.query(folder)
        evaluation = open_run(folder / "runs" / "stub").evaluation("small-valid")
        path = evaluation.dataset_root / "dataset.json"
        before = path.read_text()
        content = json.loads(before)
        affine = [[0.0, 0, 2, -30], [0, 2, 0, -40], [-3, 0, 0, 50], [0, 0, 0, 1]]
        unknown = {"spacing_mm": None, "native_size": None, "contested_pixels": 0}
        content["scans"][query["case"]] = unknown | {"affine": affine, "geometry": "NIfTI sform"}
        try:
            path.write_text(json.dumps(content))
            found = linked_scan(Workspace(folder), query)
        finally:
            path.write_text(before)
        assert found is not None
        assert found[0].grid.origin == "NIfTI sform"
        np.testing.assert_allclose(found[0].grid.points_mm(np.array([[0, 0, 0], [1, 2, 3]])), [[-30, -40, 50], [-24, -36, 47]])

    @pytest.mark.parametrize(
        ("other", "sentence"),
        [
            ({"run": "../stub"}, "This is no run"),
            ({"run": "another"}, "There is no such run: another"),
            ({"evaluation": ".."}, "This is no evaluation"),
            ({"case": "/etc/passwd"}, "has no such scan: /etc/passwd"),
        ],
    )
    def test_only_what_is_in_the_workspace_opens(self, folder: Path, other: dict[str, str], sentence: str) -> None:
        with pytest.raises(WorkspaceError, match=sentence):
            linked_scan(Workspace(folder), self.query(folder, **other))

    @pytest.mark.parametrize("wanted", ["", "x", "-3", "99999999999"])
    def test_a_slice_that_is_no_number_opens_in_the_middle(self, folder: Path, wanted: str) -> None:
        found = linked_scan(Workspace(folder), self.query(folder, slice=wanted))
        assert found is not None
        assert found[1] == len(found[0].slices) // 2

    def test_an_address_without_a_case_opens_nothing(self, folder: Path) -> None:
        assert linked_scan(Workspace(folder), {"run": "stub"}) is None


def test_the_examples_are_phantom_scans_and_slices_of_them() -> None:
    for scan, single in zip(example_scans(), example_slices(), strict=True):
        assert (scan.is_scan, len(scan.slices), len(single.slices)) == (True, 12, 1)
        assert any(single.slices[0] is image for image in scan.slices)
        assert single.grey(0).max() == 255


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(grey()))
    first, second = (read_upload([tmp_path / "a.png"]) for _ in range(2))
    np.testing.assert_array_equal(first.slices[0], second.slices[0])
