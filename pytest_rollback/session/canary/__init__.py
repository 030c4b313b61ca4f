"""Behind the `canaries` fixture: markers, the search for them in whatever a test hands over, and the interleavings."""
