"""Two sides of a frame of results: the document of their comparison, with choice of sides."""
