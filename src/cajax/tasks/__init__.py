"""Tasks: complete training jobs on networks of biophysical neurons, each a command and a public function."""
