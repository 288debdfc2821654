"""DICOM segmentations, binary or as a label map, that refer to the series that they were drawn on."""

import io
import warnings
from typing import Any, Literal

import numpy as np

from core.data.volume import LabelVolume
from core.data.writers.dicom_context import (
    MANUFACTURER,
    MR_IMAGE,
    DicomContext,
    Reference,
    check_grid,
    image_class,
    instances,
    slice_geometry,
)
from core.labels import ORGANS

SegKind = Literal["BINARY", "LABELMAP"]


def seg_bytes(volume: LabelVolume, context: DicomContext, kind: SegKind) -> bytes:
    """A DICOM segmentation of our organs; empty slices and absent organs are written too, so that every reader sees the whole.

    Args:
        volume: (Z, H, W) class ids, on the grid of the source's slices.

    Raises:
        DatasetError: nobody knows where the volume lies, or its grid is sheared.
    """
    import highdicom

    check_grid(volume.grid, "DICOM segmentation", context.scan, sheared=False)
    pictures = context.references(len(volume.labels))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on names of patients that are no names
        made = highdicom.seg.Segmentation(
            source_images=_pictures(volume, context, pictures),
            pixel_array=np.ascontiguousarray(volume.labels, np.uint8),
            segmentation_type=kind,
            segment_descriptions=_segments(context),
            series_instance_uid=highdicom.UID(),
            series_number=100,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer=MANUFACTURER,
            manufacturer_model_name=context.made.model[:64],
            software_versions=context.made.version,
            device_serial_number="none",
            content_label="ORGANS",
            content_description=f"{context.made.algorithm.lower()} outline of organs",
            content_creator_name=context.made.person or None,
            series_description=f"Organs, {context.made.model}"[:64],
            omit_empty_frames=False,
        )
    _refer(made, context, pictures)
    content = io.BytesIO()
    made.save_as(content)
    return content.getvalue()


def _pictures(volume: LabelVolume, context: DicomContext, pictures: list[Reference] | None) -> list[Any]:
    """What the library wants to know of each slice's picture; a stand-in carries its slice's number as UID."""
    from pydicom.dataset import Dataset

    found = []
    for position, place in enumerate(slice_geometry(volume.grid, len(volume.labels))):
        picture = Dataset()
        picture.update(context.header)
        picture.StudyInstanceUID = context.header.StudyInstanceUID
        picture.SeriesInstanceUID = context.source.series_uid
        picture.FrameOfReferenceUID = context.source.frame_of_reference_uid
        picture.SOPClassUID, picture.SOPInstanceUID = MR_IMAGE, f"2.25.{position + 1}"
        if pictures is not None and pictures[position].frame is None:
            picture.SOPClassUID, picture.SOPInstanceUID = image_class(context.source), pictures[position].instance_uid
        picture.Modality = context.source.modality or "MR"
        picture.Rows, picture.Columns = volume.labels.shape[1:]
        picture.ImagePositionPatient, picture.ImageOrientationPatient = place.position, place.orientation
        picture.PixelSpacing, picture.SliceThickness, picture.SpacingBetweenSlices = place.spacing, place.step, place.step
        found.append(picture)
    return found


def _segments(context: DicomContext) -> list[Any]:
    import highdicom
    from pydicom.sr.codedict import codes

    made = context.made
    maker = None
    if made.algorithm != "MANUAL":
        family = codes.DCM.ArtificialIntelligence
        maker = highdicom.AlgorithmIdentificationSequence(name=made.model[:64], family=family, version=made.version)
    return [
        highdicom.seg.SegmentDescription(
            segment_number=organ.id,
            segment_label=organ.tg263,
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=highdicom.sr.CodedConcept(organ.snomed, "SCT", organ.title),
            algorithm_type=made.algorithm,
            algorithm_identification=maker,
            tracking_uid=highdicom.UID(),
            tracking_id=organ.tg263,
            display_color=highdicom.color.CIELabColor.from_rgb(*organ.rgb),
        )
        for organ in ORGANS
    ]


def _refer(made: Any, context: DicomContext, pictures: list[Reference] | None) -> None:
    """Put the true references in the place of stand-ins: frames of one instance, or a series cut along other planes."""
    if pictures is not None and all(each.frame is None for each in pictures):
        return
    made.SourceImageSequence = instances(context.source)
    made.ReferencedSeriesSequence[0].ReferencedInstanceSequence = instances(context.source)
    stand_ins = {f"2.25.{number}": picture for number, picture in enumerate(pictures or (), start=1)}
    for frame in made.PerFrameFunctionalGroupsSequence:
        if pictures is None:
            frame.DerivationImageSequence = []
            continue
        for image in (each for derivation in frame.DerivationImageSequence for each in derivation.SourceImageSequence):
            # Frames of several segments share one item, which is then done already.
            picture = stand_ins.get(image.ReferencedSOPInstanceUID)
            if picture is not None:
                image.ReferencedSOPInstanceUID, image.ReferencedFrameNumber = picture
                image.ReferencedSOPClassUID = image_class(context.source)
