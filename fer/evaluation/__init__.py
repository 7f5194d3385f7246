"""Metrics, plots and reports, each computed from the labels and the probabilities of one Classifier."""
