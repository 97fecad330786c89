"""The store: columns made from the log, asked by questions; rebuilt from the log at any time."""
