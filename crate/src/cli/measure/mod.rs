//! What `crossdub bench` and `crossdub prove` both time.

pub mod roofline;
pub mod timing;
pub mod training_step;
