"""Train what localizers need: attributions of a data set, then a detector on them."""
