"""Plotly figures of the scores, for pages and reports alike: colours from the class table, and every mark names its scan."""
