"""The ports on real things: stores, their accounts, the probe."""
