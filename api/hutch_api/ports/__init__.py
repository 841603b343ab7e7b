"""What the server needs from outside, as protocols.

Adapters implement them; one test suite per port runs against every implementation.
"""
