"""Inside pytest: selecting, observing, judging and telling. Only this package and the door know pytest."""
