"""What goes along with the pixels into the delivered file.

A photo carries more pictures than the one that is seen: the camera's thumbnail in the EXIF block, previews in the
maker's own notes and in XMP, further frames, the film of a Motion Photo. Each shows the unprotected face. So nothing is
copied from the source but what is named here, field by field, and of that only what is short and what is text.
"""
