"""Pages of the documentation that are made from the code and the result files when the site is built."""
