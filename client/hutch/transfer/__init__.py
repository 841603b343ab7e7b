"""How bytes get to the object store and back."""
