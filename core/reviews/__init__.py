"""The review store: what clinicians said, as events that are never changed or deleted."""

from core.reviews.events import Correction, Event, Finding, FindingKind, Round, Subject, Verdict
from core.reviews.state import ScanReview
from core.reviews.store import ReviewStore

__all__ = ["Correction", "Event", "Finding", "FindingKind", "ReviewStore", "Round", "ScanReview", "Subject", "Verdict"]
