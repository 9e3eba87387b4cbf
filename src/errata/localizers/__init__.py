"""Methods that find the neurons of a fact: one file, one method."""
