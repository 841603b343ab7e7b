"""``hutch-api up``: everything that one person needs, in one process tree.

For one person's machine: the store's gRPC ports trust every local process.
"""
