"""What the command line prints, one file for each kind of result."""
