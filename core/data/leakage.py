"""The leak badge: did patients that a score was measured on also train the model?"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from core.data.identity import without_zeros

LeakKind = Literal["patient-clean", "leaked", "unknown"]


@dataclass(frozen=True)
class LeakBadge:
    """Shown on every page and in every file that shows the score."""

    kind: LeakKind
    leaked: int = 0
    """Patients that were both trained and measured on."""
    patients: int = 0
    """Patients measured on."""

    @property
    def text(self) -> str:
        """``patient-clean``, ``leaked (N of M patients)`` or ``unknown``."""
        return f"leaked ({self.leaked} of {self.patients} patients)" if self.kind == "leaked" else self.kind

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "leaked": self.leaked, "patients": self.patients, "text": self.text}


def leak_badge(trained_on: Collection[str] | None, measured_on: Collection[str]) -> LeakBadge:
    """The badge of a score. Names that differ in leading zeros only count as one patient's: a leak must not hide behind them.

    Args:
        trained_on: patients of the training split by the run's manifest; ``None`` where the manifest is missing.
        measured_on: patients of the split that the score is for.
    """
    if trained_on is None or not measured_on:
        return LeakBadge("unknown", 0, len(set(measured_on)))
    trained = set(map(without_zeros, trained_on))
    leaked = sum(without_zeros(patient) in trained for patient in set(measured_on))
    return LeakBadge("leaked" if leaked else "patient-clean", leaked, len(set(measured_on)))
