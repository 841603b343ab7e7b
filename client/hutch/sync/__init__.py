"""The verbs that move files between a working directory and a dataset."""
