//! `crossdub prune`: prunes weights so that every tile reaches a discrete level of sparsity.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::checkpoint::{Checkpoint, CheckpointAccount, safetensors};
use crate::cli::commands::onnx::layers::MappedLayers;
use crate::cli::files::{self, AdcPlanFile};
use crate::cli::options::checkpoint::CheckpointOptions;
use crate::cli::options::crossbar::CrossbarOptions;
use crate::cli::options::data::{DataOptions, LoaderOptions};
use crate::cli::options::network::NetworkOptions;
use crate::cli::options::onnx::OnnxOptions;
use crate::cli::output;
use crate::cli::runs::inputs::{load_network, open_model_and_data};
use crate::cli::{account, format};
use crate::compress::calibration::ActivationStats;
use crate::compress::fields::PruneFields;
use crate::compress::pruning::{PruneConfig, PruneContext};
use crate::config::{AdcModel, ConversionFields, DeviceChoice, Granularity, HardwareConfig, SCHEMA_VERSION};
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::network::NetworkSpec;
use crate::onnx::OnnxNetwork;
use crate::prune::{PruneRule, PruneStats};
use crate::report::{AdcEnergies, Analysis, analyze};

/// Prune every tile to a discrete level of sparsity
#[derive(Debug, Args)]
#[command(
    after_help = "Example: crossdub prune run/weights.safetensors --out pruned.safetensors --tile 32 --ratios 20,80,95"
)]
pub struct PruneArgs {
    /// Weights: a PyTorch or safetensors file, its folder, the index of its shards, or an ONNX model
    weights: PathBuf,
    #[command(flatten)]
    checkpoint: CheckpointOptions,
    /// File for the pruned weights, with all tensors under their names; for an ONNX model, the pruned model
    #[arg(long, value_name = "P.safetensors")]
    out: PathBuf,
    #[command(flatten)]
    crossbar: CrossbarOptions,
    #[command(flatten)]
    pruning: PruneFields,
    /// With the rules budget and bit-planes: the ADC model that counts the energy
    #[arg(long, value_name = "MODEL", default_value = "paper")]
    adc: AdcModel,
    /// With the rule bit-planes: what shares one resolution, tile or column (later training may spend a part of
    /// what columns save)
    #[arg(long, value_name = "WHAT", default_value = "tile")]
    per: Granularity,
    #[command(flatten)]
    network: NetworkOptions,
    /// Training images: builtin, CIFAR's files, or images in class folders
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,
    /// Leave out the last N training images
    #[arg(long, value_name = "N", default_value_t = 0)]
    holdout: usize,
    /// Seed of the built-in images
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    loader: LoaderOptions,
    /// Also write the masks: 1 where a weight stays, 0 where it is pruned
    #[arg(long, value_name = "M.safetensors")]
    masks: Option<PathBuf>,
    /// Also write the bits that each tile's converters need, one row per tile (.csv or .json)
    #[arg(long, value_name = "FILE")]
    adc_plan: Option<PathBuf>,
    #[command(flatten)]
    conversions: ConversionFields,
    #[command(flatten)]
    onnx: OnnxOptions,
    /// Print one JSON object
    #[arg(long, help_heading = None::<&'static str>)]
    json: bool,
}

#[derive(Serialize)]
struct PruneOutput {
    schema_version: u32,
    rule: PruneRule,
    weights: usize,
    zeros: usize,
    #[serde(flatten)]
    stats: PruneStats,
    histogram_before: Vec<u64>,
    histogram: Vec<u64>,
    energy: AdcEnergies,
    checkpoint: CheckpointAccount,
}

/// Runs the command.
pub fn run(args: &PruneArgs) -> Result<()> {
    files::check_distinct_outputs(&[
        ("out", Some(&args.out)),
        ("masks", args.masks.as_deref()),
        ("adc_plan", args.adc_plan.as_deref()),
    ])?;
    // Weights may be pruned in place, but not become masks.
    files::check_distinct_outputs(&[
        ("weights", Some(&args.weights)),
        ("masks", args.masks.as_deref()),
        ("adc_plan", args.adc_plan.as_deref()),
    ])?;
    let adc_plan = args.adc_plan.as_deref().map(AdcPlanFile::new).transpose()?;
    let conversions =
        ConversionFields { adc: Some(args.adc), per: Some(args.per), ..args.conversions.clone() };
    let hardware = args.crossbar.hardware(conversions)?;
    let config = PruneConfig::from_fields(&args.pruning, &hardware, None)?;
    let options = args.checkpoint.read_options()?;
    if let Some(network) = files::open_onnx(&args.weights, &args.onnx.shapes())? {
        files::check_unused_choices(&options)?;
        return args.run_onnx(&hardware, &config, &network, adc_plan.as_ref());
    }
    let weights = files::read_weights_with(&args.weights, &options)?;
    weights.check_complete().map_err(|error| error.with_path(&files::display_path(&args.weights)))?;
    let layers =
        weights.matrices(false).map_err(|error| error.with_path(&files::display_path(&args.weights)))?;
    let positions = args.positions(&layers, &weights)?;
    let before = analyze(&layers, &hardware);
    let compute = match config.calibration() {
        Some(_) => Some(pollster::block_on(ComputeDevice::open(&DeviceChoice::Auto))?),
        None => None,
    };
    let inputs = args.inputs(&config, &weights, compute.as_ref())?;
    let context = PruneContext { positions: positions.as_deref(), inputs: inputs.as_ref() };
    let pruned = pollster::block_on(config.prune(&weights, &hardware, context, compute.as_ref()));
    let (pruned, stats) = pruned?;
    let after = analyze(&pruned.matrices(false)?, &hardware);
    if let Some(path) = &args.masks {
        files::write("writing masks", path, &safetensors::write(&pruned.masks())?)?;
    }
    if let Some(file) = adc_plan {
        file.write(&pruned.matrices(false)?, &hardware)?;
    }
    let bytes = safetensors::write_with_metadata(&pruned, weights.metadata())?;
    files::write("writing pruned weights", &args.out, &bytes)?;
    let checkpoint = weights.account(false);
    account::print(&checkpoint, after.weights, false);
    let result = PruneOutput::new(args.pruning.rule, stats, (before, after), checkpoint);
    output::print_result(args.json, &result, || describe(&result))
}

impl PruneArgs {
    /// Prunes a model's convolutions where they lie in its file.
    fn run_onnx(
        &self,
        hardware: &HardwareConfig,
        config: &PruneConfig,
        network: &OnnxNetwork,
        adc_plan: Option<&AdcPlanFile<'_>>,
    ) -> Result<()> {
        if config.calibration().is_some() {
            let why = "ONNX models are pruned by their weights alone: leave out --compensate and --importance input";
            return Err(Error::field("weights", files::display_path(&self.weights), why));
        }
        self.pruning.rule.check_without_steps()?;
        let mapped = MappedLayers::new(network, &self.weights, false)?;
        let positions = if config.needs_positions() { mapped.positions(&self.weights)? } else { Vec::new() };
        let before = analyze(&mapped.matrices, hardware);
        let mut pruned = mapped.matrices.clone();
        let context = PruneContext::default().with_positions(&positions);
        let stats = config.apply(&mut pruned, hardware, context)?;
        let model = network.with_layers(&pruned);
        let model = model.map_err(|error| error.with_path(&files::display_path(&self.weights)))?;
        if let Some(path) = &self.masks {
            let masks = network.masks(&pruned)?;
            files::write("writing masks", path, &safetensors::write(&masks)?)?;
        }
        if let Some(file) = adc_plan {
            file.write(&pruned, hardware)?;
        }
        files::write_onnx(&self.weights, &self.out, &model)?;
        let (after, checkpoint) = (analyze(&pruned, hardware), mapped.account);
        account::print(&checkpoint, after.weights, false);
        let result = PruneOutput::new(self.pruning.rule, stats, (before, after), checkpoint);
        output::print_result(self.json, &result, || describe(&result))
    }

    /// The inputs of the network's convolutions, if they are needed and the options name images.
    fn inputs(
        &self,
        config: &PruneConfig,
        weights: &Checkpoint,
        compute: Option<&ComputeDevice>,
    ) -> Result<Option<ActivationStats>> {
        let (Some(asked), Some(data), Some(compute)) = (config.calibration(), &self.data, compute) else {
            return Ok(None);
        };
        let (holdout, seed) = (self.holdout, self.seed);
        let data = DataOptions { data: data.clone(), holdout, seed, loader: self.loader };
        let (run, mut loader) = open_model_and_data(&self.network, &data, &self.weights, weights)?;
        let spec = NetworkSpec::from_config(&run, loader.classes().len())?;
        let network = load_network(&run, loader.classes().len(), weights, compute)
            .map_err(|error| error.with_path(&files::display_path(&self.weights)))?;
        pollster::block_on(ActivationStats::collect(&network, &spec, &mut loader, asked, compute)).map(Some)
    }

    /// Output positions of each layer, if the options name a network.
    fn positions(&self, layers: &[Matrix], weights: &Checkpoint) -> Result<Option<Vec<u64>>> {
        if !self.network.is_given() {
            return Ok(None);
        }
        self.network.network(weights.metadata())?.output_positions(layers).map(Some)
    }
}

impl PruneOutput {
    fn new(
        rule: PruneRule,
        stats: PruneStats,
        (before, after): (Analysis, Analysis),
        checkpoint: CheckpointAccount,
    ) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            rule,
            weights: after.weights,
            zeros: after.zeros,
            stats,
            histogram_before: before.histogram,
            histogram: after.histogram,
            energy: after.energy,
            checkpoint,
        }
    }
}

fn describe(result: &PruneOutput) -> String {
    format!(
        "{} of {} weights are zero; {} tiles promoted to the next level, {} kept at their level, {} emptied\n\n{}\n{}",
        format::percentage(result.zeros, result.weights),
        result.weights,
        result.stats.promoted,
        result.stats.kept_level,
        result.stats.emptied,
        format::level_table(&result.histogram, None),
        format::energy_table(&result.energy),
    )
}
