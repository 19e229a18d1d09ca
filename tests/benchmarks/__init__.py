"""Speed against the official SDK, as ratios in the same run; see README.md."""
