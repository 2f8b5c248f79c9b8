"""`python -m n2uqc`: the command line, where no script directory is on the path."""

import sys

from n2uqc.cli import main

if __name__ == "__main__":
    sys.exit(main())
