"""``python -m multiturn``: the command line."""

from multiturn.cli import main

main()
