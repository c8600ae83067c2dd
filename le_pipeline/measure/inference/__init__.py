"""Estimators. Each takes rows or arrays and knows no table; what is estimated of what is said in the table's own file."""
