"""Interactive pages: one file each, that a browser opens without a network."""
