"""Raw evidence and networks in, rows out: the shared words, and readers that never guess."""
