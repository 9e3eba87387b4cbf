"""Methods that correct a fact in the weights: one file, one method."""
