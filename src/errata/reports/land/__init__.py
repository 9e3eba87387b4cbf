"""A result of `errata reproduce land` as a page of tables and as figures."""
