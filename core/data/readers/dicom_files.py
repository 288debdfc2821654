"""DICOM files one by one: known by their first bytes, headers read without pixels, and numbers in them taken with care."""

import logging
import math
import re
import warnings
import zlib
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from core.errors import ImageError

MAX_INFLATED = 2**28
"""Bytes that a deflated file may unpack to; a small file can hold any number."""
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
PREFIX_BYTES = 132
LIBRARIES = ("pydicom", "pylibjpeg", "openjpeg", "libjpeg")
"""What they log and warn of quotes values of tags, and those can be a patient's."""
_UID = re.compile(r"[0-9.]{1,64}")
MODALITIES = frozenset(["CR", "CT", "DX", "ES", "IO", "MG", "MR", "NM", "OT", "PT", "PX", "RF", "RG", "SC", "US", "XA", "XC"])
GEOMETRY = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SpacingBetweenSlices")
GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
WHO = ("PatientID", "StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
"""Who and when; looked at to give pseudonyms and days only, never kept."""
TECHNIQUE = (
    "ScanningSequence", "SequenceVariant", "MRAcquisitionType", "RepetitionTime", "EchoTime", "InversionTime", "FlipAngle",
    "MagneticFieldStrength", "KVP",
)  # fmt: skip
REFERENCES = ("ReferencedSeriesSequence", "ReferencedFrameOfReferenceSequence")
STORED = (
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PlanarConfiguration", "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope",
    "RescaleIntercept", "ModalityLUTSequence",
)  # fmt: skip
TAGS = (
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
    "Modality", "ImageType", "SeriesNumber", "InstanceNumber", "BurnedInAnnotation",
    *GEOMETRY, *GROUPS, *WHO, *TECHNIQUE, *REFERENCES, *STORED,
)  # fmt: skip
"""All that is read of a header."""
PIXEL_TAGS = ("PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths")


def is_dicom(path: Path) -> bool:
    """Whether the file begins as DICOM does: with the mark behind its preamble (PS3.10, 7.1) or, without one, a first tag."""
    try:
        with path.open("rb") as file:
            start = file.read(PREFIX_BYTES)
    except OSError as error:
        raise ImageError(f"The file cannot be read ({error.strerror})", value=path, todo="check its permissions") from error
    group = {start[:2], start[1:2] + start[:1]} & {b"\x02\0", b"\x08\0"}
    return start[128:] == b"DICM" or (len(start) == PREFIX_BYTES and bool(group) and start[2:4].count(0) >= 1)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what the libraries have to say to themselves."""
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_header(path: Path, *, pixels: bool = False) -> Any:
    """The tags that we look at, as a pydicom dataset; with ``pixels``, the stored ones too.

    Raises:
        ImageError: damaged, or it unpacks to too much.
    """
    try:
        with quiet():
            return _read(path, [*TAGS, *(PIXEL_TAGS if pixels else ())], stop=not pixels)
    except ImageError:
        raise
    except Exception as error:  # a damaged file raises many kinds in pydicom
        raise ImageError("The DICOM file is damaged", value=path, todo="export it again") from error


def _read(path: Path, tags: list[Any], *, stop: bool) -> Any:
    import pydicom

    with path.open("rb") as file:
        file.seek(128)
        meta: Any = pydicom.filereader.read_file_meta_info(path) if file.read(4) == b"DICM" else {}
        if meta.get("TransferSyntaxUID") == DEFLATED:
            file.seek(PREFIX_BYTES)
            pydicom.filereader.read_dataset(file, False, True, stop_when=lambda tag, *_: tag.group != 2)
            inflated = BytesIO(_inflated(file.read(), path))
            chosen: list[Any] = [pydicom.tag.Tag(name) for name in tags]
            dataset: Any = pydicom.filereader.read_dataset(inflated, False, True, specific_tags=chosen)
            dataset.file_meta = meta
            meta.TransferSyntaxUID = pydicom.uid.UID(EXPLICIT_LITTLE_ENDIAN)
            return dataset
        file.seek(0)
        dataset = pydicom.dcmread(file, force=True, stop_before_pixels=stop, specific_tags=tags)
        if "TransferSyntaxUID" not in dataset.file_meta:
            implicit, little = dataset.original_encoding
            plain = "1.2.840.10008.1.2" if implicit else EXPLICIT_LITTLE_ENDIAN if little else "1.2.840.10008.1.2.2"
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(plain)
        return dataset


def _inflated(packed: bytes, path: Path) -> bytes:
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflating.decompress(packed, MAX_INFLATED)
    if inflating.unconsumed_tail:
        what = f"The deflated DICOM file unpacks to more than {MAX_INFLATED / 1e6:.0f} MB"
        raise ImageError(what, value=path, todo="export it uncompressed")
    return content


def numbers(header: Any, name: str, count: int = 1) -> tuple[float, ...] | None:
    """A tag's numbers; ``None`` where it is missing, empty, or holds something else."""
    with quiet():
        try:
            value = header.get(name)
            values = [] if value is None or value == "" else [value] if count == 1 and not _is_list(value) else list(value)
            found = tuple(float(each) for each in values)
        except Exception:  # each kind of value has its own ways to be wrong
            return None
    return found if len(found) == count and all(math.isfinite(each) for each in found) else None


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def needed_numbers(header: Any, name: str, path: Path, count: int = 1) -> tuple[float, ...] | None:
    """The same for a tag without whose value nothing can be done; ``None`` only where it is missing or empty.

    Raises:
        ImageError: it holds something else.
    """
    found = numbers(header, name, count)
    if found is None and name in header and not _is_empty(header, name):
        raise ImageError(f"The DICOM header's {name} cannot be read", value=path, todo="export it again")
    return found


def _is_empty(header: Any, name: str) -> bool:
    with quiet():
        try:
            return header[name].is_empty is True
        except Exception:  # it holds something, and nobody can say what
            return False


def term(header: Any, name: str, known: Container[str]) -> str:
    """A tag that holds one of the standard's terms; empty where it holds something else, which may be anything."""
    found = text(header, name).upper()
    return found if found in known else ""


def text(header: Any, name: str) -> str:
    """A tag's value, several joined by a backslash; empty where it cannot be read. Not to be shown."""
    with quiet():
        try:
            value = header.get(name)
            return "" if value is None else "\\".join(str(each).strip() for each in (value if _is_list(value) else [value]))
        except Exception:  # as above
            return ""


def uid(header: Any, name: str) -> str:
    """A unique identifier; empty where there is none. What breaks the standard's form is replaced by one derived from it."""
    found = text(header, name).strip("\0")
    if not found or _UID.fullmatch(found):
        return found
    import pydicom

    return str(pydicom.uid.generate_uid(entropy_srcs=[found]))
