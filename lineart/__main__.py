import sys

from lineart.cli import main

sys.exit(main())
