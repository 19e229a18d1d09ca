"""The content of a sandbox: the workflows, versions and saved evals that follow from a seed."""
