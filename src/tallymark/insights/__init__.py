"""Questions that can be asked of the events, one public module each."""
