//! `crossdub simulate`: runs images through simulated crossbars and ADCs.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::commands::onnx::images::ImageInput;
use crate::cli::commands::onnx::simulate::OnnxSimulation;
use crate::cli::files;
use crate::cli::options::checkpoint::NetworkChoice;
use crate::cli::options::crossbar::CrossbarOptions;
use crate::cli::options::data::DataOptions;
use crate::cli::options::image_range::parse_range;
use crate::cli::options::network::NetworkOptions;
use crate::cli::options::onnx::OnnxOptions;
use crate::cli::options::simulation::SimulationOptions;
use crate::cli::output;
use crate::cli::runs::inputs::{load_network, open_model_and_data};
use crate::cli::system;
use crate::cli::{account, format};
use crate::config::{ConversionFields, DeviceChoice, Granularity, Resolution};
use crate::data::SIDE;
use crate::data::loader::LabeledDataset;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::NetworkSpec;
use crate::simulate::report::{SeedReport, SimulationReport};
use crate::simulate::simulator::Simulator;
use crate::train::evaluate::evaluate;

/// Images per batch; of large images, at most one per core. Non-ideal cells are programmed once per batch.
const BATCH: usize = 16;
/// The largest `--seeds`.
const MAX_SEEDS: usize = 1000;

/// Run images through simulated crossbars and ADCs
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example: crossdub simulate pruned.safetensors --model vgg-small --data cifar-10-batches-bin \
    --tile 32 --resolution lossless-sliced --range 0..100"
)]
pub struct SimulateArgs {
    /// Weights: a PyTorch or safetensors file, its folder, the index of its shards, or an ONNX model
    weights: PathBuf,
    #[command(flatten)]
    choice: NetworkChoice,
    #[command(flatten)]
    network: NetworkOptions,
    #[command(flatten)]
    data: DataOptions,
    /// Evaluation images, TO excluded [default: all]
    #[arg(long, value_name = "FROM..TO")]
    range: Option<String>,
    /// Use the first N evaluation images
    #[arg(long, value_name = "N", conflicts_with = "range")]
    images: Option<usize>,
    #[command(flatten)]
    crossbar: CrossbarOptions,
    /// Bits per conversion: paper, lossless, lossless-sliced or a number
    #[arg(long, default_value = "paper", value_name = "RESOLUTION")]
    resolution: Resolution,
    /// What shares one resolution: tile or column
    #[arg(long, default_value = "tile", value_name = "WHAT")]
    per: Granularity,
    #[command(flatten)]
    conversions: ConversionFields,
    #[command(flatten)]
    simulation: SimulationOptions,
    /// Repeat with N seeds of the non-idealities and report the accuracy's mean and deviation
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: usize,
    #[command(flatten)]
    onnx: OnnxOptions,
    /// Print one JSON object
    #[arg(long, help_heading = None::<&'static str>)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &SimulateArgs) -> Result<()> {
    let (resolution, per) = (Some(args.resolution), Some(args.per));
    let conversions = ConversionFields { resolution, per, ..args.conversions.clone() };
    let hardware = args.crossbar.hardware(conversions)?;
    let simulation = args.simulation.config()?;
    if !(1..=MAX_SEEDS).contains(&args.seeds) {
        return Err(Error::field("seeds", args.seeds, format!("must be 1 to {MAX_SEEDS}")));
    }
    if let Some(network) = files::open_onnx(&args.weights, &args.onnx.shapes())? {
        files::check_unused_choices(&args.choice.read_options())?;
        let input = ImageInput::new(&network, &args.weights, &args.network)?;
        let mut loader = input.open(&args.data)?;
        let range = image_range(args, loader.test().len())?;
        let bar = progress_bar((range.len() * args.seeds) as u64);
        let (path, hardware, config, seeds) = (&args.weights, &hardware, &simulation, args.seeds);
        let simulation = OnnxSimulation { network: &network, path, input, hardware, config, seeds };
        let report = simulation.run(&mut loader, args.data.seed, &range, &bar)?;
        return output::print_result(args.json, &report, || describe(&report));
    }
    let weights = files::read_weights_with(&args.weights, &args.choice.read_options())?;
    account::print_choice(&weights);
    let (config, mut loader) = open_model_and_data(&args.network, &args.data, &args.weights, &weights)?;
    let with_path = |error: Error| error.with_path(&files::display_path(&args.weights));
    let classes = loader.classes().len();
    let spec = NetworkSpec::from_config(&config, classes)?;
    spec.check_memory(1, system::available_memory())?;
    let range = image_range(args, loader.test().len())?;
    let calibration = loader.calibration(simulation.calibration, config.seed)?;
    let mut simulator =
        Simulator::new(&spec, &weights, &hardware, &simulation, &calibration).map_err(with_path)?;
    account::print_integers(&weights.matrices(simulation.linear)?, &hardware);
    let test = loader.test();
    let bar = progress_bar((range.len() * args.seeds) as u64);
    let mut report = simulate(&mut simulator, test, &range, &bar)?;
    let mut accuracies = vec![report.accuracy.unwrap_or(0.0)];
    for seed in 1..args.seeds as u64 {
        simulator.restart(simulation.noise_seed.wrapping_add(seed));
        accuracies.push(simulate(&mut simulator, test, &range, &bar)?.accuracy.unwrap_or(0.0));
    }
    bar.finish_and_clear();
    report.seeds = (args.seeds > 1).then(|| SeedReport::new(accuracies));
    let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu))?;
    let network = load_network(&config, classes, &weights, &compute).map_err(with_path)?;
    let digital = pollster::block_on(evaluate(&network, test, range, &compute))?;
    report.digital_accuracy = Some(digital.accuracy);
    output::print_result(args.json, &report, || describe(&report))
}

/// The images to simulate.
fn image_range(args: &SimulateArgs, there: usize) -> Result<Range<usize>> {
    match args.images {
        Some(count) if (1..=there).contains(&count) => Ok(0..count),
        Some(count) => Err(Error::field("images", count, format!("must be 1 to {there}"))),
        None => parse_range(args.range.as_deref(), there),
    }
}

fn simulate(
    simulator: &mut Simulator,
    data: &dyn LabeledDataset,
    range: &Range<usize>,
    bar: &ProgressBar,
) -> Result<SimulationReport> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let size = if data.side() > SIDE { cores.min(BATCH) } else { BATCH };
    let starts = range.clone().step_by(size);
    for (batch, start) in data.batches(range.clone(), size).zip(starts) {
        simulator.simulate(&batch?, start)?;
        bar.inc(size.min(range.end - start) as u64);
    }
    Ok(simulator.report())
}

fn progress_bar(images: u64) -> ProgressBar {
    let bar = ProgressBar::new(images);
    if let Ok(style) = ProgressStyle::with_template("{bar:28} {pos}/{len} images  {per_sec}  {eta} left") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn describe(report: &SimulationReport) -> String {
    let percent = |accuracy: Option<f64>| accuracy.map_or("-".to_owned(), |a| format!("{a:.2} %"));
    let mut text = format!(
        "{} images; accuracy {} on the crossbars, {} quantized, {} in floating point\n",
        report.images,
        percent(report.accuracy),
        percent(report.quantized_accuracy),
        percent(report.digital_accuracy),
    );
    if let Some(seeds) = &report.seeds {
        let deviation = seeds.deviation.unwrap_or(0.0);
        let count = seeds.accuracies.len();
        text += &format!("over {count} seeds: {:.2} % on average, deviation {deviation:.2}\n", seeds.mean);
    }
    text += if report.exact {
        "exact: all output integers of all layers equal the quantized network's\n"
    } else {
        "not exact: some output integers differ from the quantized network's\n"
    };
    let head =
        ["layer", "columns", "bits", "conversions", "saturated", "mismatched outputs", "clipped inputs"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for layer in &report.layers {
        rows.push(vec![
            layer.name.clone(),
            layer.columns_by_bits.iter().sum::<u64>().to_string(),
            bits(&layer.columns_by_bits),
            layer.conversions.to_string(),
            layer.saturated_conversions.to_string(),
            layer.mismatched_outputs.to_string(),
            layer.clipped_activations.to_string(),
        ]);
    }
    rows.push(vec![
        "all".to_owned(),
        String::new(),
        String::new(),
        report.conversions.to_string(),
        report.saturated_conversions.to_string(),
        report.mismatched_outputs.to_string(),
        report.clipped_activations.to_string(),
    ]);
    text += &format!("\n{}", format::table(&rows));
    if let Some(note) = &report.note {
        text += &format!("\n{note}\n");
    }
    text
}

/// The minimum, maximum and mean bits of a layer's columns.
fn bits(columns: &[u64]) -> String {
    let used = || columns.iter().enumerate().filter(|(_, count)| **count > 0);
    let (Some((least, _)), Some((most, _))) = (used().next(), used().next_back()) else {
        return "-".to_owned();
    };
    let sum: f64 = used().map(|(bits, &count)| bits as f64 * count as f64).sum();
    let mean = sum / columns.iter().sum::<u64>() as f64;
    format!("{least} to {most}, {mean:.2} on average")
}
