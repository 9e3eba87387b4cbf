"""Methods × models × data × regimes, measured alike."""

from errata.reproduce.leaderboard.plan import Plan, read
from errata.reproduce.leaderboard.run import measure_all

__all__ = ["Plan", "measure_all", "read"]
