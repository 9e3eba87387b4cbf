"""Run the notebooks of examples/ anew and keep what they print: `make notebooks`."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parent.parent / "examples"


def executed(notebook: Path, folder: Path) -> nbformat.NotebookNode:
    """A notebook with the output of a run in `folder`, in this environment, without warnings and without times."""
    found = nbformat.read(notebook, 4)
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    client = NotebookClient(
        found,
        timeout=1800,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=environment)
    return found


def main() -> None:
    """Write every notebook with its output."""
    for notebook in sorted(EXAMPLES.glob("*.ipynb")):
        with TemporaryDirectory() as folder:
            found = executed(notebook, Path(folder))
        nbformat.write(found, notebook)
        print(notebook.name)


if __name__ == "__main__":
    main()
