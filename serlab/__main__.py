"""`python -m serlab` is the serlab command."""

from serlab.cli import main

main()
