"""`python -m errata.cli`: the command without its script."""

import sys

from errata.cli import main

sys.exit(main())
