"""Real data: what ships with the package, and readers for what a user brings."""

from .arrays import (
    InputError as InputError,
    read_array as read_array,
    read_labels as read_labels,
    read_rows as read_rows,
)
from .faces import Faces as Faces, load_faces as load_faces
from .map_file import MapHeader as MapHeader, read_header as read_header
