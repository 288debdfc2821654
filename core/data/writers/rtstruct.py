"""DICOM structure sets (RTSTRUCT): outlines along pixel edges that refer to the series that they were drawn on."""

import datetime
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.volume import LabelVolume
from core.data.writers.dicom_context import (
    MANUFACTURER,
    DicomContext,
    Reference,
    check_grid,
    image_class,
    instances,
)
from core.data.writers.outlines import outlines
from core.labels import ORGANS, LabelClass

STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
DETACHED_STUDY = "1.2.840.10008.3.1.2.3.1"
"""SOP class that stands for the study in a structure set; retired, and still required by planning systems."""
DECIMALS = 6
"""Of a millimetre."""


def rtstruct_bytes(volume: LabelVolume, context: DicomContext) -> bytes:
    """A structure set of our organs: a contour for each island, with keyholes to its holes (`core.data.writers.outlines`).

    Sheared grids are written too: every corner says where it lies.

    Args:
        volume: (Z, H, W) class ids, on the grid of the source's slices.

    Raises:
        DatasetError: nobody knows where the volume lies.
    """
    check_grid(volume.grid, "DICOM structure set", context.scan, sheared=True)
    made = _header(context)
    made.ReferencedFrameOfReferenceSequence = [_referenced(context)]
    made.StructureSetROISequence = [_structure(organ, context) for organ in ORGANS]
    made.RTROIObservationsSequence = [_observation(organ) for organ in ORGANS]
    pictures = context.references(len(volume.labels))
    made.ROIContourSequence = [_contours(organ, volume, context, pictures) for organ in ORGANS]
    content = io.BytesIO()
    made.save_as(content, enforce_file_format=True)
    return content.getvalue()


def _header(context: DicomContext) -> Any:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    made = Dataset()
    made.update(context.header)
    now = datetime.datetime.now()
    made.SOPClassUID, made.SOPInstanceUID = STRUCTURE_SET, generate_uid(prefix=None)
    made.Modality = "RTSTRUCT"
    made.SeriesInstanceUID, made.SeriesNumber = generate_uid(prefix=None), 101
    made.SeriesDescription = f"Organs, {context.made.model}"[:64]
    made.OperatorsName = context.made.person
    made.Manufacturer, made.ManufacturerModelName = MANUFACTURER, context.made.model[:64]
    made.SoftwareVersions = context.made.version
    made.FrameOfReferenceUID, made.PositionReferenceIndicator = context.source.frame_of_reference_uid, ""
    made.StructureSetLabel, made.InstanceNumber = "ORGANS", 1
    made.StructureSetDescription = f"{context.made.algorithm.lower()} outline of organs"
    made.StructureSetDate, made.StructureSetTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    made.ApprovalStatus = "UNAPPROVED"
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = STRUCTURE_SET, made.SOPInstanceUID  # type: ignore[assignment, unused-ignore]
    return made


def _item(**values: Any) -> Any:
    """An item of a sequence."""
    from pydicom.dataset import Dataset

    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def _referenced(context: DicomContext) -> Any:
    series = _item(SeriesInstanceUID=context.source.series_uid, ContourImageSequence=instances(context.source))
    study = _item(
        ReferencedSOPClassUID=DETACHED_STUDY,
        ReferencedSOPInstanceUID=context.header.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _item(FrameOfReferenceUID=context.source.frame_of_reference_uid, RTReferencedStudySequence=[study])


def _structure(organ: LabelClass, context: DicomContext) -> Any:
    return _item(
        ROINumber=organ.id,
        ReferencedFrameOfReferenceUID=context.source.frame_of_reference_uid,
        ROIName=organ.tg263,
        ROIGenerationAlgorithm=context.made.algorithm,
        ROIGenerationDescription=f"{context.made.model} {context.made.version}"[:64],
    )


def _observation(organ: LabelClass) -> Any:
    code = _item(CodeValue=organ.snomed, CodingSchemeDesignator="SCT", CodeMeaning=organ.title)
    return _item(
        ObservationNumber=organ.id,
        ReferencedROINumber=organ.id,
        ROIObservationLabel=organ.tg263[:16],
        RTROIIdentificationCodeSequence=[code],
        RTROIInterpretedType="ORGAN",
        ROIInterpreter="",
    )


def _contours(organ: LabelClass, volume: LabelVolume, context: DicomContext, pictures: list[Reference] | None) -> Any:
    """An organ's item; without contours where the organ is absent."""
    made, found = _item(ROIDisplayColor=list(organ.rgb), ReferencedROINumber=organ.id), []
    for position in np.flatnonzero((volume.labels == organ.id).any(axis=(1, 2))).tolist():
        for ring in outlines(volume.labels[position] == organ.id):
            corners = np.column_stack([np.full(len(ring), position), ring])
            picture = None if pictures is None else pictures[position]
            found.append(_contour(volume.grid.points_mm(corners), picture, context))
    if found:
        made.ContourSequence = found
    return made


def _contour(points: NDArray[np.float64], picture: Reference | None, context: DicomContext) -> Any:
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    made = _item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=len(points))
    if picture is not None:
        image = _item(ReferencedSOPClassUID=image_class(context.source), ReferencedSOPInstanceUID=picture.instance_uid)
        if picture.frame is not None:
            image.ReferencedFrameNumber = picture.frame
        made.ContourImageSequence = [image]
    # As bytes: the library would make an object of every number.
    words = "\\".join(f"{value:.{DECIMALS}f}" for value in (points + 0.0).ravel().tolist()).encode()
    words += b" " * (len(words) % 2)
    tag = Tag("ContourData")
    made[tag] = RawDataElement(tag, "DS", len(words), words, 0, False, True)
    return made
