"""Pure judgement: evidence and policy in, verdict out. No clock, no files, no pytest, no git."""
