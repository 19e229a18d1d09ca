"""What happens in a world: runs, from their plan to their last result."""
