"""The composition root: the only place that builds things with effects."""
