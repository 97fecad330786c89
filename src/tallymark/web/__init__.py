"""What browsers get: the pages people look at, and the script of the sites that are counted."""
