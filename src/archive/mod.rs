//! The ZIP format, pure: no I/O, no S3, no clock.
