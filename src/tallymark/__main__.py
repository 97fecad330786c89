"""``python -m tallymark`` is the ``tallymark`` command."""

import sys

from tallymark.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
