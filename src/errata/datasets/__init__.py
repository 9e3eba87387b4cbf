"""Data sets as cases: one file, one data set."""
