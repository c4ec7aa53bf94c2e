"""Evaluations of networks: made once, stored, recorded."""
