"""What the three views share: ``inputs`` checks what they take, ``text`` puts rows into words."""
