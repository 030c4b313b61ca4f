"""What a person or a machine reads: reports in, text out. Knows the model and nothing else."""
