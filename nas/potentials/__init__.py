"""Rewards of the secondary signals, and the potentials that shape a search by them."""
