"""The report on corrections: one edit of a ledger, or all of them, as a page that needs nothing outside itself."""
