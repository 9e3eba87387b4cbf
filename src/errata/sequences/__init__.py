"""Thousands of edits in a row: steps, checkups on the way, and an alarm."""

from errata.sequences.battery import Battery, known_facts, pocket_battery
from errata.sequences.book import Book, Kept, Scratch
from errata.sequences.checkup import Before, Checkup, before, checkup, just_edited
from errata.sequences.health import Alarm, Health
from errata.sequences.run import Step, run

__all__ = [
    "Alarm",
    "Battery",
    "Before",
    "Book",
    "Checkup",
    "Health",
    "Kept",
    "Scratch",
    "Step",
    "before",
    "checkup",
    "just_edited",
    "known_facts",
    "pocket_battery",
    "run",
]
