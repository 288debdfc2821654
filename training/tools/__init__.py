"""What developers run: training the demo's weights, and writing the reference tables of the documentation."""
