"""What *Data* shows."""
