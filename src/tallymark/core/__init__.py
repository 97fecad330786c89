"""What every other room stands on; imports nothing of them."""
