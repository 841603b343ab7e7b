"""The process that executes runs.

``loop`` takes runs from the queue, ``supervision`` brings one to its end, whatever
happens to program, container engine, API or this process.
"""
