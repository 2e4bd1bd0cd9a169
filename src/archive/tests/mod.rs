//! The archive's tests: by example, by property, and by reading archives back.

mod deflated;
mod fixture;
mod golden;
mod memory;
mod model;
mod name_properties;
mod namer;
mod names;
mod range;
mod reader;
mod times;
mod zip64;
