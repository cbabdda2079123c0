"""Results filed under the digest of their inputs, on a local path or shared between machines."""
