"""How the demo's page looks and what its browser side does: style, scripts and texts."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from core.data.images import encode_png
from core.data.readers.uploads import Upload

THUMBNAIL_PX = 88

CSS = """
.gradio-container { max-width: 1600px !important; margin: 0 auto !important; }
.chip { display: inline-block; width: 0.9em; height: 0.9em; border-radius: 3px; border: 1px solid #8888; vertical-align: -0.1em; }
#heading h1 { margin-bottom: 0.2em; }
#heading p, #status p { margin: 0.2em 0; }
#status .warning, #status .problem { display: block; border-left: 4px solid #d97706; padding: 4px 10px; background: #d9770622; }
#status .problem { border-color: #dc2626; background: #dc262622; }
#hint p { font-size: 0.85em; margin: 0; opacity: 0.85; }
#statistics { flex-wrap: wrap; }
#statistics > * { min-width: min(420px, 100%) !important; }
#statistics > :not(:has(table)) { display: none; }
#statistics table { width: 100%; margin: 0; font-variant-numeric: tabular-nums; }
#statistics table, #statistics tr { border: 0 !important; }
#statistics th, #statistics td { padding: 2px 8px; border-width: 0 0 1px; border-color: #8884; white-space: nowrap; }
#statistics th:not(:first-child), #statistics td:not(:first-child) { text-align: right; }
#slice, #overlay, #third { aspect-ratio: 10 / 11; max-height: 52vh; }
#slice img, #overlay img, #third img { width: 100%; height: 100%; padding-top: 36px; object-fit: contain; background: #000; }
#third img { image-rendering: pixelated; }
#examples { gap: 8px; }
#examples button { min-width: 0; height: 92px; padding: 0 0 2px; align-items: flex-end; font-size: 0.75em; color: #fff;
  text-shadow: 0 0 4px #000, 0 0 2px #000; background-color: #000; background-size: cover; background-position: center; }
#busy { position: fixed; bottom: 24px; left: 50%; transform: translateX(-50%); z-index: 100; padding: 10px 18px;
  border-radius: 8px; background: #1f2937; color: #fff; }
"""

BUSY = """() => {
  if (window.gutcheckBusy && !document.getElementById("busy")) {
    const said = Object.assign(document.createElement("div"), {id: "busy", textContent: "Still segmenting; please wait."});
    said.setAttribute("role", "status");
    document.body.append(said);
  }
  window.gutcheckBusy = true;
}"""
"""A click on Segment: the first starts it, and a second, which Gradio ignores, says why nothing happens."""
DONE = """() => { window.gutcheckBusy = false; document.getElementById("busy")?.remove(); }"""
SAVE = """(file) => {
  if (!file) return;
  const [name, url] = JSON.parse(file);
  Object.assign(document.createElement("a"), {href: url, download: name}).click();
}"""
"""Save a file that came as a data address."""
INTAKE = """() => {
  document.addEventListener("paste", (event) => {
    const input = document.querySelector("#files input[type=file]");
    if (!input || !event.clipboardData?.files.length) return;
    input.files = event.clipboardData.files;
    input.dispatchEvent(new Event("change", {bubbles: true}));
  });
  const refuse = (event) => {
    if (!event.target.closest?.("#files")) return;
    const chosen = [...(event.dataTransfer ?? event.target).files ?? []];
    const large = chosen.find((file) => file.size > window.gradio_config?.max_file_size);
    if (!large) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.dataTransfer) event.target.dispatchEvent(new DragEvent("dragleave", {bubbles: true}));
    else event.target.value = "";
    window.gutcheckTooLarge = `${large.name}, ${Math.ceil(large.size / 1e6)} MB`;
    document.getElementById("too_large").click();
  };
  for (const kind of ["change", "drop"]) document.addEventListener(kind, refuse, true);
}"""
"""Gradio's file field takes clicks and drops; this adds the clipboard, and our sentence for a file that is too large."""
TOO_LARGE = "() => window.gutcheckTooLarge"

HEADING = (
    "# GutCheck demo\n\nOutlines the stomach, the small bowel and the large bowel on abdominal MR. "
    "**Not a medical device:** for research and teaching, never for diagnosis or treatment."
)
HINT = (
    "PNG, JPEG or TIFF slices, a zip of slices, a NIfTI volume or a DICOM series. Drop, choose or paste. "
    "What you upload is deleted once it is read, and forgotten when you close this tab. Remove names first."
)


def data_url(pixels: NDArray[np.uint8]) -> str:
    """A picture as a data address, so that it never lies on the server's disk; PNG, which keeps the classes' colours."""
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode()


def thumbnails(examples: Sequence[Upload]) -> str:
    """Style that puts each example's picture behind its button."""
    rules = []
    for number, upload in enumerate(examples):
        small = cv2.resize(upload.grey(len(upload.slices) // 2), (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA)
        rules.append(f"#example{number} {{ background-image: url({data_url(small)}); }}")
    return f"<style>{' '.join(rules)}</style>"
