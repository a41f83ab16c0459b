"""What embeddings know: attributes, angles, classes, and how it is laid out."""
