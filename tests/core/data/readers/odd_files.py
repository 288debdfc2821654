"""Files that people upload although they shouldn't, or that programs write although nobody expects them; made, not kept."""

import gzip
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import nibabel as nib
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEGLSLossless, MRImageStorage

from dashboard.demo.received import RECEIVED

SHAPE = (40, 48)
DIRECTORY, REPORT = "1.2.840.10008.1.3.10", "1.2.840.10008.5.1.4.1.1.88.33"
UID = "1.2.826.0.1.3680043.10.1."
ODD_FILES: dict[str, Callable[[Path], list[Path]]] = {}
"""By kind: writes it into a folder and tells what to upload."""


def grey(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def dicom_slice(path: Path, number: int, pixels: NDArray[np.uint16], **tags: Any) -> Path:
    """One slice of an axial series: 2 × 2 mm pixels, 5 mm apart, numbered from the feet as scanners do."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, UID + str(number + 1)
    meta.TransferSyntaxUID = tags.pop("syntax", ExplicitVRLittleEndian)
    meta.FileMetaInformationGroupLength = 0  # for pydicom to fill in
    made = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = MRImageStorage, UID + str(number + 1)
    made.PatientName, made.PatientID, made.SeriesInstanceUID = "Doe^Jane", "4711", UID + "9"
    made.Rows, made.Columns = pixels.shape
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 0
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.PixelSpacing, made.InstanceNumber = [2.0, 2.0], number + 1
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.ImagePositionPatient = [-10.0, -20.0, 5.0 * number]
    made.PixelData = pixels.tobytes()
    for name, value in tags.items():
        if value is None:
            delattr(made, name)
        else:
            setattr(made, name, value)
    made.save_as(path, enforce_file_format=False)
    return path


def zipped(path: Path, entries: dict[str, bytes]) -> list[Path]:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return [path]


def png(pixels: NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1].tobytes())


def _odd(kind: str) -> Callable[[Callable[[Path], Path | list[Path]]], None]:
    def keep(write: Callable[[Path], Path | list[Path]]) -> None:
        def written(folder: Path) -> list[Path]:
            made = write(folder)
            return made if isinstance(made, list) else [made]

        ODD_FILES[kind] = written

    return keep


def _saved(name: str, pixels: NDArray[Any] | None = None, content: bytes | None = None) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        if content is None:
            cv2.imwrite(str(path), grey() if pixels is None else pixels)
        else:
            path.write_bytes(content)
        return path

    return write


def _pillow(name: str, mode: str, **options: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Image.fromarray(grey()).convert(mode).save(folder / name, **options)
        return folder / name

    return write


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


BOMB = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0" * 100_000))
    + _chunk(b"IEND", b"")
)
for _kind, _write in {
    "8-bit grey PNG": _saved("a.png"),
    "16-bit grey PNG": _saved("a.png", grey().astype(np.uint16) * 16),
    "colour PNG": _saved("a.png", grey(shape=(*SHAPE, 3))),
    "grey PNG stored as colour": _saved("a.png", np.repeat(grey()[..., None], 3, axis=2)),
    "16-bit colour PNG with alpha": _saved("a.png", grey(shape=(*SHAPE, 4)).astype(np.uint16) * 200),
    "palette PNG": _pillow("a.png", "P"),
    "1-bit PNG": _pillow("a.png", "1"),
    "grey PNG with alpha": _pillow("a.png", "LA"),
    "JPEG": _saved("a.jpg"),
    "CMYK JPEG": _pillow("a.jpg", "CMYK"),
    "CMYK TIFF": _pillow("a.tif", "CMYK"),
    "JPEG 2000": _pillow("a.jp2", "L"),
    "BMP": _saved("a.bmp"),
    "8-bit TIFF": _saved("a.tif"),
    "32-bit float TIFF": _saved("a.tif", grey().astype(np.float32) / 255),
    "float TIFF with NaN": _saved("a.tif", np.where(grey() > 9, np.float32(1), np.float32("nan"))),
    "WebP": _pillow("a.webp", "RGB"),
    "GIF": _pillow("a.gif", "L"),
    "PNG named .jpg": _saved("a.jpg", content=png(grey())),
    "name of several scripts": _saved("Ünïcode 日本 \u202e.png", content=png(grey())),
    "text file": _saved("report.txt", content=b"Patient: J. Doe"),
    "PDF": _saved("a.pdf", content=b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n<<>>\nendobj\n"),
    "SVG": _saved("a.svg", content=b"<svg xmlns='http://www.w3.org/2000/svg' width='90' height='90'/>"),
    "gzipped SVG": _saved("a.svgz", content=gzip.compress(b"<svg xmlns='http://www.w3.org/2000/svg'/>")),
    "text named .png": _saved("a.png", content=b"Patient: J. Doe"),
    "HTML named .png": _saved("a.png", content=b"<script>alert(1)</script>"),
    "empty file": _saved("a.png", content=b""),
    "truncated PNG": _saved("a.png", content=png(grey())[:200]),
    "truncated JPEG": _saved("a.jpg", content=bytes(cv2.imencode(".jpg", grey())[1].tobytes())[:300]),
    "PNG with a wrong checksum": _saved("a.png", content=png(grey())[:-20] + b"\0" * 20),
    "1 × 1 PNG": _saved("a.png", grey(shape=(1, 1))),
    "1 × 5,000 PNG": _saved("a.png", grey(shape=(1, 5000))),
    "20,000 × 1 PNG": _saved("a.png", grey(shape=(20_000, 1))),
    "PNG that claims 60,000 × 60,000": _saved("a.png", content=BOMB),
    "all black PNG": _saved("a.png", np.zeros(SHAPE, np.uint8)),
}.items():
    _odd(_kind)(_write)


@_odd("JPEG turned by EXIF")
def _(folder: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(grey()).save(folder / "a.jpg", exif=exif)
    return folder / "a.jpg"


def _frames(folder: Path, name: str) -> Path:
    frames = [Image.fromarray(grey(seed)) for seed in range(3)]
    frames[0].save(folder / name, save_all=True, append_images=frames[1:])
    return folder / name


_odd("animated GIF")(lambda folder: _frames(folder, "a.gif"))
_odd("animated WebP")(lambda folder: _frames(folder, "a.webp"))
_odd("animated PNG")(lambda folder: _frames(folder, "a.png"))
_odd("TIFF of three pages")(lambda folder: _frames(folder, "a.tif"))
_odd("two pictures of two sizes")(lambda folder: [_saved("a1.png")(folder), _saved("a2.png", grey(shape=(30, 50)))(folder)])


def png_slices(folder: Path) -> list[Path]:
    """Three slices of one scan, each in a folder of its own as Gradio leaves them."""
    for n in (10, 9, 11):
        (folder / str(n)).mkdir()
    return [_saved(f"mr_{n}.png", grey(n))(folder / str(n)) for n in (10, 9, 11)]


_odd("three slices of one scan")(png_slices)
_odd("picture and volume")(lambda folder: [_saved("a.png")(folder), _nifti(folder, grey(shape=(20, 20, 3)))])
_odd("zip of slices")(lambda folder: zipped(folder / "a.zip", {f"s/mr_{n}.png": png(grey(n)) for n in range(3)}))
_odd("zip with other files")(
    lambda folder: zipped(folder / "a.zip", {"mr_1.png": png(grey()), "notes.txt": b"x", "__MACOSX/._mr_1.png": b"x"})
)
_odd("empty zip")(lambda folder: zipped(folder / "a.zip", {}))
_odd("zip of text")(lambda folder: zipped(folder / "a.zip", {"a.txt": b"x"}))
_odd("zip that leaves its folder")(lambda folder: zipped(folder / "a.zip", {"../../a.png": png(grey())}))
_odd("zip in a zip")(
    lambda folder: zipped(folder / "a.zip", {"b.zip": zipped(folder / "b.zip", {"mr_1.png": png(grey())})[0].read_bytes()})
)
_odd("two zips")(lambda folder: [zipped(folder / name, {"mr_1.png": png(grey())})[0] for name in ("a.zip", "b.zip")])
_odd("zip of WebP")(
    lambda folder: zipped(folder / "a.zip", {f"mr_{n}.webp": _pillow(f"{n}.webp", "RGB")(folder).read_bytes() for n in range(3)})
)
_odd("zip with backslashes")(
    lambda folder: [_backslashed(zipped(folder / "a.zip", {f"scan/mr_{n}.png": png(grey(n)) for n in range(3)})[0])]
)
_odd("zip bomb")(lambda folder: zipped(folder / "a.zip", {f"{n}.png": bytes(10**6) for n in range(9)}))


def _backslashed(path: Path) -> Path:
    """As some tools of Windows write folders."""
    path.write_bytes(path.read_bytes().replace(b"scan/mr", b"scan\\mr"))
    return path


@_odd("encrypted zip")
def _(folder: Path) -> Path:
    whole = bytearray(zipped(folder / "a.zip", {"mr_1.png": png(grey())})[0].read_bytes())
    # Bit 0 of the flags (APPNOTE 4.4.4), in the entry's own header and in the directory's.
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        whole[whole.index(mark) + offset] |= 1
    (folder / "a.zip").write_bytes(whole)
    return folder / "a.zip"


@_odd("zip with a link")
def _(folder: Path) -> Path:
    entry = zipfile.ZipInfo("mr_1.png")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr(entry, "/etc/hostname")
    return folder / "a.zip"


@_odd("damaged zip")
def _(folder: Path) -> Path:
    whole = zipped(folder / "b.zip", {"mr_1.png": png(grey()), "mr_2.png": png(grey(1))})[0].read_bytes()
    (folder / "a.zip").write_bytes(whole[:60] + b"\0" * 200 + whole[260:])
    return folder / "a.zip"


def _nifti(folder: Path, voxels: NDArray[Any], name: str = "a.nii.gz") -> Path:
    nib.Nifti1Image(voxels, np.diag([-2.0, -2.0, -5.0, 1.0])).to_filename(folder / name)
    return folder / name


_odd("NIfTI volume")(lambda folder: _nifti(folder, grey(shape=(48, 40, 3)).astype(np.int16)))
_odd("NIfTI of one slice")(lambda folder: _nifti(folder, grey(shape=(48, 40, 1))))
_odd("two NIfTI volumes")(lambda folder: [_nifti(folder, grey(shape=(48, 40, 3)), name) for name in ("a.nii.gz", "b.NII.GZ")])
_odd("NIfTI named .NII.GZ")(lambda folder: _nifti(folder, grey(shape=(48, 40, 3))).rename(folder / "A.NII.GZ"))
_odd("NIfTI of 8 columns")(lambda folder: _nifti(folder, grey(shape=(8, 40, 3))))
_odd("NIfTI of four dimensions")(lambda folder: _nifti(folder, grey(shape=(48, 40, 3, 2))))
_odd("NIfTI of floats with NaN")(lambda folder: _nifti(folder, np.where(grey(shape=(48, 40, 3)) > 9, np.float32(1), np.nan)))


@_odd("NIfTI that claims 30,000³")
def _(folder: Path) -> Path:
    raw = bytearray(nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)).to_bytes())
    raw[40:56] = struct.pack("<8h", 3, 30_000, 30_000, 30_000, 1, 1, 1, 1)
    (folder / "a.nii.gz").write_bytes(gzip.compress(bytes(raw)))
    return folder / "a.nii.gz"


_odd("gzip that is no NIfTI")(_saved("a.nii.gz", content=gzip.compress(b"hello")))


def series(folder: Path, count: int = 3, **tags: Any) -> list[Path]:
    """An axial series whose files are named against their order."""
    planes = [np.full(SHAPE, 100 * (n + 1), np.uint16) + grey(n) for n in range(count)]
    return [dicom_slice(folder / f"im{count - n}.dcm", n, plane.astype(np.uint16), **tags) for n, plane in enumerate(planes)]


_odd("DICOM series")(series)
_odd("one DICOM slice")(lambda folder: series(folder, 1))
_odd("DICOM without places")(lambda folder: series(folder, ImagePositionPatient=None))
_odd("DICOM, two in one place")(lambda folder: series(folder, ImagePositionPatient=[0, 0, 0]))
_odd("DICOM of two series")(
    lambda folder: [*series(folder, 1), dicom_slice(folder / "b.dcm", 1, grey().astype(np.uint16), SeriesInstanceUID=UID + "8")]
)
_odd("DICOM in JPEG-LS")(
    lambda folder: series(folder, 1, syntax=JPEGLSLossless, PixelData=encapsulate([b"\xff\xd8 no decoder for this"]))
)
_odd("deflated DICOM")(lambda folder: series(folder, 1, syntax=DeflatedExplicitVRLittleEndian))
_odd("DICOM in colour")(lambda folder: series(folder, 1, SamplesPerPixel=3, PhotometricInterpretation="RGB"))
_odd("DICOM without pixels")(lambda folder: series(folder, 1, PixelData=None, Rows=None))
_odd("DICOM of several frames")(lambda folder: series(folder, 1, NumberOfFrames=4))


_odd("DICOM with a DICOMDIR and a report")(
    lambda folder: [
        *series(folder),
        *(_other(folder, name, kind) for name, kind in (("DICOMDIR", DIRECTORY), ("sr.dcm", REPORT))),
    ]
)


def _other(folder: Path, name: str, sop_class: str) -> Path:
    """An object without pixels, as they lie beside a series."""
    made = pydicom.dcmread(
        dicom_slice(
            folder / name, 77, grey().astype(np.uint16), PixelData=None, Rows=None, SOPInstanceUID=UID + str(70 + len(name))
        )
    )
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = sop_class
    made.save_as(folder / name)
    return folder / name


@_odd("truncated DICOM")
def _(folder: Path) -> Path:
    path = series(folder, 1)[0]
    path.write_bytes(path.read_bytes()[:-500])
    return path


@_odd("zipped DICOM series")
def _(folder: Path) -> list[Path]:
    return zipped(folder / "a.zip", {f"x/{path.name}": path.read_bytes() for path in series(folder)})


def sent(paths: list[Path]) -> list[Path]:
    """The files where they lie once they were uploaded: each in a folder of its own that the demo has named."""
    there = []
    for path in paths:
        folder = path.parent / RECEIVED.folder_name(path)
        folder.mkdir()
        there.append(path.rename(folder / path.name))
    return there
