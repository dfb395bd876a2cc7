//! Everything that touches the file system.

mod adc_plan_file;
pub mod archives;
pub mod dataset;
pub mod dataset_cache;
mod disk_tree;
pub mod image_files;
mod io;
mod onnx;
pub mod pictures;
mod weights;

pub use self::adc_plan_file::AdcPlanFile;
pub use self::dataset::open_dataset;
pub use self::io::{check_distinct_outputs, display_path, read, write, write_with};
pub use self::onnx::{check_unused_choices, open_onnx, write_onnx};
pub use self::weights::{read_weights, read_weights_with};
