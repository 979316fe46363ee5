"""`odibi top`: every run of a project as it happens, in the terminal."""
