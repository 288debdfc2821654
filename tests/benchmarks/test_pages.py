"""Page times and the server's memory over 300, 1,000 and 3,000 simulated scans, cold and warm; run by `make bench`.

A page's time is that of its script on the server, from a run's start to its end, as `AppTest` runs it; the browser's drawing
comes on top; what a server does once at its start (the packages' manifests, compiling the pages) is left out.
Cold: the first time in a process. CPU seconds are given beside those
of the clock, since a busy machine stretches these. The figures are printed.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulated_workspace import DATASET, simulated_workspace

pytestmark = pytest.mark.benchmark
ROOT = Path(__file__).parents[2]
SCANS = (300, 1000, 3000)
WARM_LIMIT_S = 1.0
PAGES = [
    ("cases", {}),
    ("metrics", {"section": "overview"}),
    *[("metrics", {"section": name}) for name in ("organs", "where", "volumes", "confidence", "mistakes", "days")],
    ("compare", {"section": "difference"}),
    ("compare", {"section": "runs"}),
    ("data", {"section": "contents"}),
    ("data", {"section": "leaks"}),
    ("data", {"section": "references"}),
    ("data", {"section": "slices"}),
]
PROGRAM = """
import json, sys, time, psutil
from streamlit.testing.v1 import AppTest
from dashboard.state import SERVER
import streamlit, pandas, plotly.graph_objects, core.charts.where, core.evaluation.compare, core.reviews
SERVER.is_serving = True
from functools import cache
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import app_test
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
app_test.ScriptCache = cache(ScriptCache)
pages = json.loads(sys.argv[1])
begin = psutil.Process().memory_info().rss
found = []
for page, query in pages:
    times, work = [], []
    for _ in range(4):
        app = AppTest.from_file("dashboard/app.py", default_timeout=300)
        app.query_params.update(query)
        app.switch_page(f"views/{page}.py") if page != "cases" else None
        start, busy = time.perf_counter(), time.process_time()
        app.run()
        times.append(time.perf_counter() - start), work.append(time.process_time() - busy)
        assert not app.exception, (page, query)
    change = None
    if page == "metrics" and query["section"] not in ("overview", "days"):
        app.text_input(key="metrics_find").input("case1")
        busy = time.process_time()
        app.run()
        change = time.process_time() - busy
    row = [page, query["section"] if query else "", times[0], min(times[1:]), min(work[1:]), change]
    found.append([*row, psutil.Process().memory_info().rss])
print(json.dumps([begin, found]))
"""


@pytest.mark.parametrize("scans", SCANS)
def test_pages_over_many_scans(scans: int, tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    simulated_workspace(root, scans=scans)
    environment = {"GUTCHECK_WORKSPACE": str(root), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(PAGES)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    begin, found = json.loads(done.stdout.splitlines()[-1])
    print(f"\n{scans} scans of {DATASET}: server {begin / 2**20:.0f} MB after its imports")
    print("page                        cold s   warm s  warm CPU s  filter CPU s   server MB")
    for page, section, cold, warm, work, change, memory in found:
        filtered = f"{change:12.2f}" if change is not None else "           –"
        print(f"{page + ' ' + section:26s} {cold:7.2f} {warm:8.2f} {work:11.2f}  {filtered} {memory / 2**20:10.0f}")
    if scans == SCANS[0]:
        assert [row[:2] for row in found if row[4] > WARM_LIMIT_S] == []
