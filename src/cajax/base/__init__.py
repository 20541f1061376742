"""Words that every room shares: errors, units, types, distributions over places, files on disk."""
