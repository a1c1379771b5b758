"""Which coding, and where."""
