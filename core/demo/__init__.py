"""The embedded demo: a workspace of synthetic patients, and the small run that ships with it."""
