"""What Ray's processes run: training (Ray Train) and prediction (Ray Data). Ray is imported only inside functions."""
