"""A document as a tree, and what writes it as HTML, Markdown, text and JUnit XML.

Whoever makes a document says what is told and in which order; a renderer gives it its form and
knows nothing of what it is about.
"""
