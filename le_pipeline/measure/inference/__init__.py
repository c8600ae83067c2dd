"""Estimators; each takes arrays or frames and knows no table."""
