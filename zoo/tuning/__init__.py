"""Searching for hyperparameters: the search, its record, its report."""
