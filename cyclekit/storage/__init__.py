"""Files are written in one way: none is there by halves, and no link is followed."""
