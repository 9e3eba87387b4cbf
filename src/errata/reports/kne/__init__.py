"""Tables, figures and the page of a result of `errata reproduce kne`."""
