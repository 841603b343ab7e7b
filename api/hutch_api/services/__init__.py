"""The use cases: one function each.

A function that takes a ``Work`` runs inside one transaction. One that takes a
``Site`` is a row of short transactions with store calls between them, each step
safe to repeat: no store call ever happens inside a transaction.
"""
