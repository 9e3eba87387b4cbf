"""Errata's tests: the folders mirror src/errata."""
