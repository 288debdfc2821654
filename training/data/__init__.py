"""From files to batches: slices as tensors, the cache, augmentation and the order in which they come."""
