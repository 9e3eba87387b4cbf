"""The tables, figures and page of a result of `errata reproduce o-edit`."""
