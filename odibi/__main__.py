"""`python -m odibi`."""

from odibi.cli.entry import main

main()
