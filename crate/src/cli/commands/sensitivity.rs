//! `crossdub sensitivity`: the accuracy that pruning each layer costs, and a prune ratio for each.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::files;
use crate::cli::options::checkpoint::NetworkChoice;
use crate::cli::options::data::DataOptions;
use crate::cli::options::network::NetworkOptions;
use crate::cli::output;
use crate::cli::runs::inputs::{load_network, open_model_and_data};
use crate::cli::{account, format};
use crate::compress::sensitivity::{Sensitivity, SensitivityConfig, sensitivity};
use crate::config::DeviceChoice;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};
use crate::network::NetworkSpec;

/// Prune one layer at a time and propose a ratio for each
#[derive(Debug, Args)]
#[command(
    allow_negative_numbers = true,
    after_help = "Example: crossdub sensitivity run/weights.safetensors --model vgg-small \
    --data cifar-10-batches-bin --holdout 10000 --images 1000"
)]
pub struct SensitivityArgs {
    /// Weights: a PyTorch or safetensors file, its folder, or the index of its shards
    weights: PathBuf,
    #[command(flatten)]
    choice: NetworkChoice,
    #[command(flatten)]
    network: NetworkOptions,
    #[command(flatten)]
    data: DataOptions,
    /// Use the first N evaluation images [default: all]
    #[arg(long, value_name = "N")]
    images: Option<usize>,
    /// Prune ratios to try, in percent of a layer's weights [default: 0,10,...,90,95,98]
    #[arg(long, value_delimiter = ',', value_name = "PERCENT,...")]
    ratios: Option<Vec<f64>>,
    /// Percentage points of accuracy that a layer's proposed ratio may cost
    #[arg(long, value_name = "POINTS", default_value_t = SensitivityConfig::default().max_accuracy_drop)]
    drop: f64,
    /// Device: auto, cpu, or another one that crossdub devices lists
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &SensitivityArgs) -> Result<()> {
    let ratios = args.ratios.clone().unwrap_or_else(|| SensitivityConfig::default().ratios);
    let what = SensitivityConfig { ratios, max_accuracy_drop: args.drop };
    what.validate()?;
    let weights = files::read_weights_with(&args.weights, &args.choice.read_options())?;
    account::print_choice(&weights);
    let (config, data) = open_model_and_data(&args.network, &args.data, &args.weights, &weights)?;
    let test = data.test();
    let images = args.images.unwrap_or(test.len());
    if !(1..=test.len()).contains(&images) {
        return Err(Error::field("images", images, format!("must be 1 to {}", test.len())));
    }
    let compute = pollster::block_on(ComputeDevice::open(&args.device))?;
    let classes = test.classes().len();
    let network = load_network(&config, classes, &weights, &compute)
        .map_err(|error| error.with_path(&files::display_path(&args.weights)))?;
    let spec = NetworkSpec::from_config(&config, classes)?;
    let bar = progress_bar();
    let mut progress = |passed, total| {
        bar.set_length(total);
        bar.set_position(passed);
    };
    let images = (test, 0..images);
    let found = pollster::block_on(sensitivity(&network, &spec, images, &what, &compute, &mut progress));
    bar.finish_and_clear();
    let with_path = |error: Error| error.with_path(&files::display_path(&args.weights));
    let pruned = spec.adapt(&weights).and_then(|weights| weights.matrices(false)).map_err(with_path)?;
    let found = found?.in_order_of(pruned.iter().map(|layer| &*layer.name));
    output::print_result(args.json, &found, || describe(&found))
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:28} {percent:>3} %  {per_sec} images  {eta} left") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn describe(found: &Sensitivity) -> String {
    let mut head = vec!["pruned %".to_owned()];
    // All layers are measured at the same ratios.
    head.extend(
        found.layers.iter().take(1).flat_map(|layer| &layer.points).map(|point| point.ratio.to_string()),
    );
    head.extend(["proposed".to_owned(), "accuracy".to_owned()]);
    let mut rows = vec![head];
    for layer in &found.layers {
        let mut row = vec![layer.name.clone()];
        row.extend(layer.points.iter().map(|point| format!("{:.1}", point.accuracy)));
        row.extend([layer.proposed.to_string(), format!("{:.1}", layer.proposed_accuracy)]);
        rows.push(row);
    }
    let ratios: Vec<String> = found.proposed.iter().map(f64::to_string).collect();
    format!(
        "accuracy {:.2} % unpruned, on {} images; accuracy with one layer pruned by magnitude, in percent:\n\n{}\n\
        each proposed ratio alone costs at most {} points; all of them together leave {:.2} %, before \
        fine-tuning\n\n\
        --ratios {}\n",
        found.baseline_accuracy,
        found.images,
        format::table(&rows),
        found.max_accuracy_drop,
        found.proposed_accuracy,
        ratios.join(","),
    )
}
