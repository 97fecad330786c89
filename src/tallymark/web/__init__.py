"""The pages people look at: what is built from ``web/``, and how it is served."""
