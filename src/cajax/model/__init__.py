"""The model: a frozen pytree of parameters around a static structure, and how it is kept on disk."""
