"""Tasks: complete training jobs on networks of biophysical neurons, each a command, a class and a page."""
