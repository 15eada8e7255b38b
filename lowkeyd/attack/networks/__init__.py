"""Face networks: a module per family, the catalogue that names them, and where their weights come from."""
