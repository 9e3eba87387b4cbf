"""Tests of errata.model."""
