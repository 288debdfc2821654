"""What clinicians say of scans: the store of events, corrected masks, the queue, and what a round comes to."""
