"""Who asks, and what our own routes answer: access, sign-in, scans, corrections, refusals."""
