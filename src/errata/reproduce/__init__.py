"""A paper's tables from one command, each number with its seeds, its controls and the paper's own beside it."""
