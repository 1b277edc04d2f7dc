//! Experiment tracking: an append-only, crash-safe local run log.
