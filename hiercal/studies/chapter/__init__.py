"""The textbook's worked examples."""
