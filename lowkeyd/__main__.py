"""`python -m lowkeyd`."""

from lowkeyd.cli import main

if __name__ == "__main__":
    main()
