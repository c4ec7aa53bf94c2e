"""`python -m nasdmrl.cli` is `nasdmrl`."""

from nasdmrl.cli import main

main()
