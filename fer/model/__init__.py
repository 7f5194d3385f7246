"""The Xception family: architecture, layers, compiled inference and saved files."""
