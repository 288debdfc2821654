"""What every `prepare` shares: slices go into a hidden folder, which becomes the data set only when all is written."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from core.config import SplitConfig
from core.data.index import SPLITS
from core.data.manifest import FILE_NAME, DatasetManifest, hash_files
from core.data.split import describe_split, held_out
from core.errors import DatasetError
from core.storage.files import new_folder, write_json


@dataclass(frozen=True)
class Prepared:
    """What `prepare` made."""

    root: Path
    manifest: DatasetManifest
    patients: dict[str, int]
    """Patients by split."""
    slices: dict[str, int]
    """Slices by split."""


class DatasetWriter:
    """Collects slices under ``all/`` and deals them to the splits once all are known."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.annotated: Counter[str] = Counter()
        self.patient_of: dict[str, str] = {}
        for kind in ("images", "masks"):
            (folder / "all" / kind).mkdir(parents=True)

    def add(self, stem: str, patient: str, *, image_png: bytes, mask_png: bytes, annotated: bool) -> None:
        """Write one slice's two files.

        Raises:
            DatasetError: there is a slice of that name already.
        """
        if stem in self.patient_of:
            raise DatasetError("Two slices have one name", value=stem, todo="remove one of them")
        self.patient_of[stem] = patient
        self.annotated[patient] += annotated
        (self.folder / "all" / "images" / f"{stem}.png").write_bytes(image_png)
        (self.folder / "all" / "masks" / f"{stem}.png").write_bytes(mask_png)

    def deal(self, valid: frozenset[str]) -> tuple[dict[str, int], dict[str, int]]:
        """Move each slice to its split, the stems in ``valid`` to validation; return patients and slices by split."""
        for split in SPLITS:
            for kind in ("images", "masks"):
                (self.folder / split / kind).mkdir(parents=True)
        slices: Counter[str] = Counter()
        patients: dict[str, set[str]] = {split: set() for split in SPLITS}
        for stem, patient in self.patient_of.items():
            split = "valid" if stem in valid else "train"
            slices[split] += 1
            patients[split].add(patient)
            for kind in ("images", "masks"):
                (self.folder / "all" / kind / f"{stem}.png").rename(self.folder / split / kind / f"{stem}.png")
        for folder in (*(self.folder / "all").iterdir(), self.folder / "all"):
            folder.rmdir()
        return {split: len(found) for split, found in patients.items()}, dict(slices)


@contextmanager
def writing_dataset(out: Path, manifest: DatasetManifest, split: SplitConfig | None) -> Iterator["Draft"]:
    """Fill a data set and divide it; nothing stays behind if the block raises.

    Args:
        split: how to divide it; ``None`` validates on the slices in `Draft.valid`, as the manifest's own ``split`` says.

    Raises:
        DatasetError: it cannot be divided so, see `core.data.split.held_out`.
        WorkspaceError: ``out`` holds something already, or cannot be written.
    """
    with new_folder(out) as folder:
        draft = Draft(DatasetWriter(folder), manifest, out)
        yield draft
        writer = draft.writer
        valid = held_out(writer.patient_of, dict(writer.annotated), split) if split else frozenset(draft.valid)
        patients, slices = writer.deal(valid)
        described = describe_split(split) if split else draft.manifest.split
        done = replace(draft.manifest, split=described, files=hash_files(folder))
        write_json(folder / FILE_NAME, done.to_json())
        draft.result = Prepared(out, done, patients, slices)


class Draft:
    """A data set while it is written; ``manifest`` may be replaced, and ``result`` stands after the block."""

    result: Prepared

    def __init__(self, writer: DatasetWriter, manifest: DatasetManifest, out: Path) -> None:
        self.writer, self.manifest, self.out = writer, manifest, out
        self.valid: set[str] = set()
        """Stems to validate on, where the split is kept."""
