"""The mailed report: whole, with the stored numbers and the badge, and with nothing that asks for a network."""

import re
from pathlib import Path

import pytest

from core.errors import WorkspaceError
from core.reports.evaluation_report import evaluation_report
from core.runs.registry import Evaluation
from tests.simulated_workspace import simulated_workspace


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return simulated_workspace(tmp_path_factory.mktemp("report") / "workspace", scans=8, runs=1)[0]


def own_text(page: str) -> str:
    """The page without Plotly's own source, which names addresses that it never asks."""
    return re.sub(r"<script nonce=.*?</script>", "", page, flags=re.DOTALL)


def test_the_report_holds_every_section_the_numbers_and_the_badge(evaluation: Evaluation) -> None:
    page = evaluation_report(evaluation, {})
    for title in (
        "Overview",
        "Dice per organ",
        "Where it fails",
        "Volumes",
        "Confidence",
        "Mistakes",
        "How these numbers are made",
    ):
        assert f"<h2>{title}</h2>" in page
    row = evaluation.summary["organs"]["stomach"]
    assert f"{row['dice']:.3f} ({row['intervals']['dice']['low']:.3f}" in page
    assert page.count('class="figure"') == 8
    assert "patient-clean" in own_text(page)


def test_nothing_in_the_report_names_another_place(evaluation: Evaluation) -> None:
    text = own_text(evaluation_report(evaluation, {}))
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', text) == []
    assert re.findall(r"https?://|url\(", text) == []
    assert "default-src 'none'" in text


def test_disputed_scans_are_named_with_their_reason(evaluation: Evaluation) -> None:
    scan = next(iter(evaluation.summary["scans"]))
    text = own_text(evaluation_report(evaluation, {scan: "a <b>reason</b>"}))
    assert "Without the 1 of these scans" in text
    assert "a &lt;b&gt;reason" in text


def test_a_broken_table_is_one_sentence(evaluation: Evaluation, tmp_path: Path) -> None:
    broken = Evaluation(evaluation.run, evaluation.name, type(evaluation.paths)(tmp_path), evaluation.summary)
    with pytest.raises(WorkspaceError, match="missing or damaged"):
        evaluation_report(broken, {})
