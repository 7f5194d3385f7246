"""Readers of tables, archives, folder trees and Kaggle downloads."""
