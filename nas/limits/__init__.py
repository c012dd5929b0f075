"""What networks cost, and which decisions can still end within all limits."""
