"""What several components share: who reads what, what is hidden from them, charts, badges, selections and errors."""
