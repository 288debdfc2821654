"""What the demo keeps for open tabs, and what it forgets first."""

import numpy as np

from core.data.readers.uploads import Upload
from dashboard.demo.tabs import TabUploads


def test_the_oldest_goes_first_and_the_newest_stays() -> None:
    tabs = TabUploads(kept_bytes=3000)
    for tab in "abc":
        tabs.put(tab, _upload_of_bytes(1000))
    tabs.get("a")
    tabs.put("d", _upload_of_bytes(1000))
    assert [tab for tab in "abcd" if tabs.get(tab)] == ["a", "c", "d"]
    tabs.put("e", _upload_of_bytes(9000))
    assert [tab for tab in "abcde" if tabs.get(tab)] == ["e"]


def test_what_is_unused_for_long_is_forgotten() -> None:
    now = [0.0]
    tabs = TabUploads(kept_s=10, clock=lambda: now[0])
    tabs.put("a", _upload_of_bytes(1))
    now[0] = 9
    assert tabs.get("a")
    now[0] = 18
    assert tabs.get("a")
    now[0] = 29
    assert tabs.get("a") is None
    assert len(tabs) == 0


def test_closing_a_tab_forgets_it() -> None:
    tabs = TabUploads()
    tabs.put("a", _upload_of_bytes(1))
    tabs.clear("a")
    tabs.clear("never there")
    assert len(tabs) == 0


def _upload_of_bytes(count: int) -> Upload:
    return Upload("a", (np.zeros((1, count), np.uint8),), ("a",), (1,))
