"""Turn an implementation into package.tar.gz and its manifest."""
