"""A search proved on a device: what was measured, beside what was predicted."""
