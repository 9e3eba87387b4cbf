"""The tables, findings, figures and page of results of `errata grid`."""
