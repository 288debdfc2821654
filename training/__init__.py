"""PyTorch Lightning training of a SegFormer on MR slices, and the commands; imports `core`, never `dashboard`."""
