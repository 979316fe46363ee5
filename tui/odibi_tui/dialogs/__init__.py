"""Questions and pages above the board."""
