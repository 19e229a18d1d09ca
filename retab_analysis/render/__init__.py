"""A document as a tree, and its writers: HTML, Markdown, text and JUnit XML.

The maker of a document chooses its content and order. A renderer gives it its form and knows
nothing about its subject.
"""
