"""Ship a ledger: as a LoRA adapter, as merged weights, to the hub; and take one back in."""
