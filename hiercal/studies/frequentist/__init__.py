"""REML and moment estimates against the hierarchy."""
