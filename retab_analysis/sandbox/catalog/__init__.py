"""What the sandbox's world is about, as data: a JSON file for each workflow, and how it is read."""
