"""The drawn sample: schematic faces of the seven expressions."""
