"""A run that goes on, as a page on this machine."""
