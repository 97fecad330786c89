"""Collection: from the bytes of a request to the log, and from the log to the store."""
