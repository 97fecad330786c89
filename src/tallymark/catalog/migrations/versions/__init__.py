"""One step a file, in the order of their numbers; a released step is never changed."""
