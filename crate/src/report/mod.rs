//! Plain serializable results: what `--json` prints and what the page and the HTML report draw.
//!
//! Every type is both `Serialize` and `Deserialize`, so that a report can be read back with the types
//! that wrote it.
//!
//! | function | result |
//! | --- | --- |
//! | [`analyze`] | sparsity, levels and ADC energy of weights |
//! | [`view`], [`tile_detail`] | maps of tiles, before and after pruning |
//! | [`inference`] | energy, time and area of one inference, by every model |
//! | [`adc_plan`] | the bits that each tile's converters need |
//! | [`converter_report`], [`compare`] | what conversions cost by the models |
//! | [`published`], [`published_markdown`] | the published runs by every model |

mod adc_plan;
mod analysis;
mod bit_planes;
mod converters;
mod inference;
mod inference_row;
mod integer_weights;
mod maps;
mod published;
mod published_page;

pub use adc_plan::{AdcPlan, PlannedTile, adc_plan};
pub use analysis::{AdcEnergies, Analysis, LayerAnalysis, analyze};
pub use bit_planes::{LayerSlices, SliceEnergy};
pub use converters::{AdcComparison, AdcCurve, ConverterReport, compare, converter_report};
pub use inference::{
    CrossbarCount, DenseAndActual, Inference, InferenceConfig, InferenceRow, LayerInference, inference,
};
pub use integer_weights::{IntegerWeights, integer_weights_note};
pub use maps::{LayerMap, Preview, SliceDetail, TileDetail, View, tile_detail, view};
pub use published::{Published, PublishedModel, PublishedRun, RankedMethod, Ranking, RunKind, published};
pub use published_page::published_markdown;
