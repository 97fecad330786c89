"""Files that can be loaded, one public module a format."""
