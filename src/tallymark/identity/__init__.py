"""From ids as asserted to people and sessions."""
