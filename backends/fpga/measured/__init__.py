"""Engines drawn at random, and what synthesis made of those that were recorded."""
