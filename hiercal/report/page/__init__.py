"""A finished run or study as one HTML file, and a run that goes on as a page that refreshes."""
