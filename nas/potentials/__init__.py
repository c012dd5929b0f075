"""Potentials of the secondary signals, which shape a search."""
