"""A run, fitted and kept: from simulation to record, journal and result."""
