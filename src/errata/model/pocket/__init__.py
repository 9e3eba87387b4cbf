"""The embedded models: two small language models that know real facts, and the script that trains them."""
