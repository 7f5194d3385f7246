"""Measures speed: networks, frames, the web app."""
