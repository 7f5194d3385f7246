"""Readers, splits, the drawn sample and augmentation: from a raw source to arrays that a network can learn from."""
