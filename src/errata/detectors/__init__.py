"""Detectors: small models that map one phrasing's neurons to those of the fact, and what they read and learn."""
