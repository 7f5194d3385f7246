"""Readers of raw data: tables, archives, folder trees, Kaggle downloads."""
