"""The review store: what clinicians said, as events that are never changed or deleted."""

from core.reviews.events import Event, Finding, FindingKind, Subject, Verdict
from core.reviews.store import ReviewStore, ScanReview

__all__ = ["Event", "Finding", "FindingKind", "ReviewStore", "ScanReview", "Subject", "Verdict"]
