//! Model versions, aliases, approvals and releases in an object store, built on create-if-absent.
