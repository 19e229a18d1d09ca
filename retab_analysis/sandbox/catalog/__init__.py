"""What the world is about, as data: workflows, documents, saved evals, and their story."""
