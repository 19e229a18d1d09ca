"""What the three views share."""
