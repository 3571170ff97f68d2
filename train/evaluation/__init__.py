"""Measures models: what is asked, what comes out, how good it is."""
