//! How much a checkpoint may ask for. Real ones stay far below; files made to exhaust a reader don't.
//!
//! A pickle is a program: a few bytes of it can name a tensor a million times or make a view of one element that has a
//! million. Each limit bounds what one byte of the file can cost.

/// Instructions of a pickle, copied list items included: a thousand tensors take some 30,000.
pub(super) const MAX_STEPS: usize = 1 << 21;
/// Dimensions of a tensor: PyTorch itself stops at 64.
pub(super) const MAX_DIMENSIONS: usize = 64;

/// Containers inside one another on the way to a tensor.
pub(super) const MAX_DEPTH: usize = 32;
/// Values visited on the way to all tensors: a few shared dictionaries can spell out any number of names.
pub(super) const MAX_VISITS: usize = 1 << 20;
/// Items of the visited dictionaries and lists.
pub(super) const MAX_ITEMS: usize = 1 << 23;
/// Bytes of all visited values' names.
pub(super) const MAX_NAME_BYTES: usize = 1 << 26;

/// Elements of all tensors for each byte of the file, where views share or repeat elements: float32 alone gives a
/// quarter.
pub(super) const ELEMENTS_PER_BYTE: u64 = 2;
/// Elements that a file of any size may have beyond those.
pub(super) const SPARE_ELEMENTS: u64 = 1 << 20;

/// Bytes that deflated entries may grow to for each byte of the file; PyTorch itself never deflates.
pub(super) const MAX_INFLATION: u64 = 8;
/// Bytes that deflated entries of a file of any size may grow to beyond those.
pub(super) const SPARE_BYTES: u64 = 1 << 20;
