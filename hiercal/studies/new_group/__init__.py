"""Prediction of a group not seen."""
