"""Phones in, raw evidence out: suites, one-layer models, the runner and the campaigns that drive it."""
