"""One module for each pane of the board."""
