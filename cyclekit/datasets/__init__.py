"""Published data sets: which there are, how they come, and what a folder of data holds."""
