"""Where the demo is, and the address at which it opens with a case of the workspace. No Gradio."""

from urllib.parse import urlencode

from core.runs.registry import Evaluation

DEMO_PATH = "/demo"
"""Where the dashboard's server mounts the demo."""


def demo_link(evaluation: Evaluation, scan: str, slice_number: int) -> str:
    """The address, on the dashboard's own server, at which the demo opens with this slice of an evaluated scan."""
    parts = {"run": evaluation.run, "evaluation": evaluation.name, "case": scan, "slice": slice_number}
    return f"{DEMO_PATH}/?{urlencode(parts)}"
