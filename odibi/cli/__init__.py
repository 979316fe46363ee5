"""The command line: one file per command group; the only place where errors become exit codes."""
