"""`python -m tqs_edge` is `tqs-edge`."""

from tqs_edge.cli.app import main

main()
