//! Everything that touches the file system.

pub mod archives;
pub mod dataset;
pub mod dataset_cache;
pub mod image_files;
mod io;

pub use self::dataset::open_dataset;
pub use self::io::{
    check_distinct_outputs, display_path, read, read_weights, write, write_adc_plan, write_with,
};
