"""Tallymark records every use once, durably, and answers every question from it."""

__version__ = "0.1.0"
