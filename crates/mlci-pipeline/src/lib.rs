//! mlci.toml, the stage graph with its journal, the report, and the command line.
