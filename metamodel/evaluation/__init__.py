"""How good predictors are, told honestly: what is held out, who competes, and how it is scored."""
