"""A data set becomes a run: augmentation, batches, the training loop, state and curves."""
