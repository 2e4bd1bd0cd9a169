//! An S3 store over a plain folder, in this process.
