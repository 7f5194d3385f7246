"""The Xception family: layers, architectures, training and its state."""
