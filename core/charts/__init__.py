"""Tables and Plotly figures by topic, for pages and reports alike; every mark names its scan."""
