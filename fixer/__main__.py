"""`python -m fixer`, and the entry of the one-file build."""

import sys

from fixer.cli import main

if __name__ == "__main__":
    sys.exit(main())
