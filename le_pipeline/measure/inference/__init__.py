"""Estimators. Each takes arrays or frames, gives what it has found under a name, and knows no table."""
