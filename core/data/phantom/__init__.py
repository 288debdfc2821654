"""Synthetic abdominal MR scans with label maps: the embedded demo, the test fixture and a small training set."""

from core.data.phantom.scan import PhantomScan, make_scan

__all__ = ["PhantomScan", "make_scan"]
