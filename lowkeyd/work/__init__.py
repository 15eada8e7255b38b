"""The story of a photo: taken in, claimed, protected by a worker, published, or put aside with a reason."""
