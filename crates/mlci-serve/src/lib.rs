//! The HTTP API of a trained model: a library, and the server binary that goes into the image.
