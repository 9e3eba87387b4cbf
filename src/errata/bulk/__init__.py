"""Localize whole files of prompts: shards that are written once, by one process, several or a cluster."""

from errata.errors import MissingPackageError

try:
    import pyarrow  # noqa: F401  # pyright: ignore[reportUnusedImport]
except ModuleNotFoundError as error:
    raise MissingPackageError(
        "Bulk runs write Parquet, and pyarrow is not installed: pip install 'errata-lm[bulk]'"
    ) from error

from errata.bulk.executor import Executor, executor
from errata.bulk.job import Job
from errata.bulk.keep import Keep
from errata.bulk.prompts import Prompt, read_prompts
from errata.bulk.results import Results, read
from errata.bulk.run import Summary, locate

__all__ = ["Executor", "Job", "Keep", "Prompt", "Results", "Summary", "executor", "locate", "read", "read_prompts"]
