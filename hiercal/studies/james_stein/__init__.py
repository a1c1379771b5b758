"""Squared errors of shrinkage."""
