"""A search from its settings to a finished folder."""
