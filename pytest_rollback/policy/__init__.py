"""What the project decided: the decision matrix, the groups, the limits, the people."""
