"""Sequences of edits on any model: the reconstruction of O-Edit beside the editors it must be compared with."""

from errata.reproduce.o_edit.plan import ARMS, Plan, arms_of, plan_of
from errata.reproduce.o_edit.run import reproduce

__all__ = ["ARMS", "Plan", "arms_of", "plan_of", "reproduce"]
