"""Making a data set: from a folder of pairs, the competition's layout, or phantoms. Each writes ``dataset.json``."""
