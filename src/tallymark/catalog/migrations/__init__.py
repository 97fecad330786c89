"""The steps that bring a catalog of any age to the tables of today."""
