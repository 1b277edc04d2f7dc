//! Builds reproducible OCI images without a daemon, into an OCI image layout on disk.
