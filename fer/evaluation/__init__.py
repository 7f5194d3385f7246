"""Evaluation of trained networks: figures, plots, model cards and the photo check."""
