"""What got worse for real: one night of a cell against the history of the same cell under the same controls."""
