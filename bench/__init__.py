"""How fast hutch is, beside the tools that people would use instead."""
