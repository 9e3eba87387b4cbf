"""The ledger: the durable, ordered list of edits applied to a model."""

from errata.ledger.compare import LayerChange, LayerPair
from errata.ledger.ledger import Ledger
from errata.ledger.records import Entry, Event, Meta
from errata.ledger.verify import Report

__all__ = ["Entry", "Event", "LayerChange", "LayerPair", "Ledger", "Meta", "Report"]
