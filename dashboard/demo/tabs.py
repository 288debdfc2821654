"""What each open tab of the demo has uploaded, and what came of it: in memory only, for a while only."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from core.data.readers.uploads import Upload
from dashboard.demo.results import Segmentation

KEPT_S = 3600.0
"""How long an upload stays in memory after it was last used, in seconds; closing the tab ends it at once."""
KEPT_BYTES = 2**30
"""How much memory all uploads may take; beyond it the one that was unused for longest goes."""


class TabUploads:
    """The uploads of the open tabs, by session."""

    def __init__(
        self, *, kept_bytes: int = KEPT_BYTES, kept_s: float = KEPT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._kept_s, self._clock = kept_bytes, kept_s, clock
        self._items: OrderedDict[str, tuple[float, Upload | Segmentation]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, session: str, item: Upload | Segmentation) -> None:
        """Keep a tab's upload, or its result in its place."""
        with self._lock:
            self._items[session] = (self._clock(), item)
            self._items.move_to_end(session)
            self._tidy()

    def get(self, session: str) -> Upload | Segmentation | None:
        """What a tab has; nothing where it has uploaded nothing, or too long ago."""
        with self._lock:
            self._tidy()
            if session not in self._items:
                return None
            _, item = self._items[session]
            self._items[session] = (self._clock(), item)
            self._items.move_to_end(session)
            return item

    def clear(self, session: str) -> None:
        """Forget what a tab has."""
        with self._lock:
            self._items.pop(session, None)

    def _tidy(self) -> None:
        oldest = self._clock() - self._kept_s
        total = sum(item.nbytes for _, item in self._items.values())
        while self._items:
            session, (used, item) = next(iter(self._items.items()))
            # The newest stays whatever its size: it is what somebody has just uploaded.
            if used >= oldest and (total <= self._limit or len(self._items) == 1):
                return
            del self._items[session]
            total -= item.nbytes
