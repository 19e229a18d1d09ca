"""The command line: ``python -m retab_analysis``."""

import sys

from retab_analysis.cli import main

if __name__ == "__main__":
    sys.exit(main())
