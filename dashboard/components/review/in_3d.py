"""Reference and prediction as solids in 3D, on demand: a look at the whole, not for measuring."""

import streamlit as st

from core.data.masks import read_label_volume
from core.imaging.scan_payload import payload_etag
from core.imaging.solids import Solids, solids
from core.labels import LabelClass
from core.runs.registry import Evaluation
from dashboard import cached

SIDE_PX = 480
"""NiiVue draws a square."""
COLOUR_MAPS = ("red", "green", "blue")
"""NiiVue's colour maps by the channel of an organ's colour."""


def panel_in_3d(evaluation: Evaluation, scan: str) -> None:
    """A switch, and behind it both label volumes side by side; nothing is read or sent before it is on."""
    if not st.toggle("Show reference and prediction in 3D", key="in-3d", persist_state="session"):
        return
    with st.spinner("Preparing 3D…"):
        sides = _solids(evaluation, scan, payload_etag(evaluation, scan))
    with st.container(horizontal=True):
        for title, side in zip(("Reference", "Prediction"), sides, strict=True):
            with st.container(width=SIDE_PX):
                st.markdown(f"**{title}**")
                _show(side, f"{title}-{scan}")
    st.caption("Drag turns, the wheel zooms. Reduced to at most 64 × 96 × 96 voxels around the organs; not for measuring.")


def _show(side: Solids, key: str) -> None:
    from niivue_component import niivue_viewer

    if not side.organs:
        st.caption("No organ is drawn.")
        return
    niivue_viewer(
        nifti_data=side.whole,
        filename="organs.nii",
        overlays=[
            {"data": data, "name": f"{organ.name}.nii", "colormap": _colour_map(organ), "opacity": 1.0}
            for organ, data in side.organs
        ],
        height=SIDE_PX,
        view_mode="3d",
        styled=False,
        settings={"crosshair": False},
        update_interval_ms=None,
        key=f"in-3d-{key}",
    )


def _colour_map(organ: LabelClass) -> str:
    return COLOUR_MAPS[organ.rgb.index(max(organ.rgb))]


@st.cache_data(max_entries=4, show_spinner=False, hash_funcs=cached.KEYS)
def _solids(evaluation: Evaluation, scan: str, etag: str) -> tuple[Solids, Solids]:
    reference, prediction = evaluation.find_scan(scan).read_labels(), read_label_volume(evaluation.paths.mask(scan))
    return solids(reference, prediction, evaluation.stored_spacing(scan, reference.shape[1:]))
