"""Where a correction is made: refused, computed, looked at, and only then written."""

from errata.desk.correction import Correction, Desk, correction_row, desk

__all__ = ["Correction", "Desk", "correction_row", "desk"]
