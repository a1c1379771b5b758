"""A finished run or study as people read it: what comes first, tables, figures."""
