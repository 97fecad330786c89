"""The control plane: projects and keys."""
