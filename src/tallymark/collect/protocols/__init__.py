"""Wire protocols, one public module each."""
