"""The HTTP edge: it only translates between HTTP and the core."""
