"""What *Review* shows: the scan, the verdict, findings and the largest errors."""
