"""A finished run or study as people read it in a paper: tables."""
