"""What can be followed while it goes on, one public module a listener."""
