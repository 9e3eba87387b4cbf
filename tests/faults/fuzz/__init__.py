"""Loaders as targets of a fuzzer: `benchmarks/fuzz.py` feeds them, and the tests replay what it found."""
