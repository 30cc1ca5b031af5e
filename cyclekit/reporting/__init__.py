"""A run as one page of HTML, made from its files alone."""
