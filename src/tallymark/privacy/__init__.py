"""What may be kept, decided before anything is written."""
