"""A predictor and a data set in, a network out: co-regulated shaped Q-learning (Section III-D of the paper)."""
