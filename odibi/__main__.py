"""`python -m odibi`."""

from odibi.cli.main import main

main()
