"""What developers run: training the weights of the embedded demo."""
