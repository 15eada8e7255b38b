"""Face networks, one file per family, and the catalogue that names them."""
