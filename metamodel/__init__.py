"""Rows in, a predictor out: the bag-of-boosted meta-behaviour predictor (Section III-C of the paper)."""
