"""Estimators. Each takes rows, arrays or frames and knows no table."""
