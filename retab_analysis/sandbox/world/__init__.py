"""What a sandbox is about: the workflows, versions and saved evals that follow from a seed."""
