"""The only package that touches the inside of a model."""
