"""What is recorded in a run."""
