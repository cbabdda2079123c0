"""From an implementation to package.tar.gz and its manifest."""
