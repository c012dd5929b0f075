"""Search controllers: each in one file, over one loop, one budget and one history."""
