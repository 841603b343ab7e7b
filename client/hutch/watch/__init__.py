"""Send the files of a working directory while they are being made.

``watching`` is the loop; it sends what a *lookout* finds finished. There are two:
``notices`` is told by the kernel when a file is closed, ``rounds`` looks again and
again where the kernel cannot know. A file of which no close was seen ``settling``
holds until it rests and nobody has it open.
"""
