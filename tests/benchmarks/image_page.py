"""The plain alternative to the viewer: two pictures behind a slider, made by the server at every step."""

import streamlit as st

from core.data.images import volume_window
from core.data.index import load_index
from core.data.masks import read_label_volume
from core.imaging.overlay import blend
from core.runs.registry import list_runs
from core.storage.workspace import Workspace


@st.cache_resource
def volumes():
    evaluation = list_runs(Workspace.locate())[0].evaluations()[0]
    name = max(evaluation.summary["scans"], key=lambda each: len(evaluation.scan_facts(each)["slice_numbers"]))
    scan = load_index(evaluation.dataset_root).scan(evaluation.split, name)
    image = scan.read_image()
    return volume_window(image).apply(image), (scan.read_labels(), read_label_volume(evaluation.paths.mask(name)))


st.set_page_config(layout="wide")
grey, maps = volumes()
position = st.slider("Slice", 0, len(grey) - 1, len(grey) // 2)
for column, labels in zip(st.columns(2), maps, strict=True):
    column.image(blend(grey[position], labels[position], opacity=0.45), width=500)
