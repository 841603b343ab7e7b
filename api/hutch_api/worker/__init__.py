"""The worker: does what is due, again and again, until it is told to end.

What is due is said by the rows in the database, so any number of workers may run
and one that is killed leaves nothing behind that the next does not find.
"""
