"""The events of a world: runs, from their plan to their last result."""
