"""Estimators. Each takes rows or arrays and knows no table; what is estimated is said in the table's own file."""
