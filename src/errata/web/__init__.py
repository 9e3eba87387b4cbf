"""The page: `errata serve` shows a model and its ledger in a browser, and corrects facts there."""
