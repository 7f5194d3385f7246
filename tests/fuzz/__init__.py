"""Fuzzers: hostile inputs of every kind that the package reads, and one harness that counts what happens to them."""
