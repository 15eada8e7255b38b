"""The paper's protocol on folders of people."""
