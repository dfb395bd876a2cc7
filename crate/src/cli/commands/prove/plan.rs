//! The steps, most valuable first, and the devices they are for.

use std::path::{Path, PathBuf};

use crate::config::{DeviceChoice, NetworkName, Precision};
use crate::error::{Error, Result};

/// Parts of the report.
pub const PARTS: [&str; 6] = [
    "Devices, and whether they compute what the CPU computes",
    "Training steps",
    "Losses over many steps, stopping and resuming",
    "Evaluation, simulation and the image pipeline",
    "The recipe: VGG11 with D.U.B.",
    "In the browser",
];

/// What a device is called when the shaders of its products are chosen by trying them out.
pub const AUTOTUNED: &str = "vulkan-autotune";

/// A device under test, and the binary that has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// `vulkan`, `webgpu:1`, or [`AUTOTUNED`].
    pub label: String,
    /// Its device.
    pub device: DeviceChoice,
    /// The binary; none for this one.
    pub binary: Option<PathBuf>,
}

impl Target {
    /// A device by name. `bundle` holds binaries with other shader compilers: one that has WGSL alone, as the page has,
    /// and one that tries out several shaders for each product.
    ///
    /// # Errors
    /// When the name is unknown.
    pub fn new(label: &str, bundle: &Path) -> Result<Self> {
        let sibling = |name: &str| Some(bundle.join(name)).filter(|file| file.is_file());
        if label == AUTOTUNED {
            let binary = sibling("crossdub-autotune");
            let why = "the bundle has no binary crossdub-autotune";
            let binary = binary.ok_or_else(|| Error::field("device", label, why))?;
            return Ok(Self {
                label: label.to_owned(),
                device: DeviceChoice::Vulkan(None),
                binary: Some(binary),
            });
        }
        let device: DeviceChoice = label.parse()?;
        let binary = match device {
            DeviceChoice::Webgpu(_) => sibling("crossdub-wgsl"),
            _ => None,
        };
        Ok(Self { label: device.to_string(), device, binary })
    }

    /// The graphics devices that this build and its bundle have, or the CPU.
    pub fn defaults(bundle: &Path) -> Vec<Self> {
        let mut labels = Vec::new();
        if cfg!(feature = "cuda") {
            labels.push("cuda");
        }
        if cfg!(feature = "vulkan") {
            labels.extend(["vulkan", AUTOTUNED]);
        }
        if cfg!(feature = "webgpu") {
            labels.push("webgpu");
        }
        let mut found: Vec<_> = labels.iter().filter_map(|label| Self::new(label, bundle).ok()).collect();
        if found.is_empty() {
            found.push(Self { label: "cpu".to_owned(), device: DeviceChoice::Cpu, binary: None });
        }
        found
    }

    /// Whether it differs from another target only in how shaders are chosen, so that its steps are timed and nothing
    /// more.
    fn is_variant(&self) -> bool {
        self.label == AUTOTUNED
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StepKind {
    /// Processor, memory, drivers, PyTorch, data.
    Machine,
    /// Opens a device.
    Device,
    /// One gradient, and the golden case, against known values.
    Gradient,
    /// A training step of a network.
    Training { model: NetworkName, batch: usize, precision: Precision },
    /// Losses beside the CPU's.
    Losses,
    /// A killed run against an uninterrupted one.
    Resume,
    /// A device that is lost in the middle.
    LostDevice,
    /// Evaluation speed.
    Evaluate,
    /// Simulation speed, on the CPU.
    Simulate,
    /// Image files into ResNet18.
    Pipeline,
    /// The page's modules in Chromium.
    Browser,
    /// The recipe.
    Recipe,
}

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub struct ProveStep {
    /// Its name, which is also that of its files.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// The part of the report, from 1.
    pub part: usize,
    /// What it does.
    pub work: StepKind,
    /// The device it is for; none for the machine, and for the best device, which is chosen when it begins.
    pub target: Option<Target>,
    /// Seconds it may take, and below which it is not worth starting.
    pub bound: f64,
    /// See `bound`.
    pub least: f64,
}

/// Networks whose steps are timed, and their batches.
const TRAINING: [(NetworkName, usize); 4] = [
    (NetworkName::VggSmall, 64),
    (NetworkName::VggSmall, 256),
    (NetworkName::Vgg11, 128),
    (NetworkName::ResNet18, 128),
];

/// A device's label as part of a file's name.
pub fn file_name_label(label: &str) -> String {
    label.replace([':', '/'], "-")
}

/// All steps for these devices; the recipe, which takes all time that is left, comes last.
pub fn steps(targets: &[Target], browser: bool) -> Vec<ProveStep> {
    let mut all = vec![step("machine", "the machine", 1, StepKind::Machine, None, (30.0, 1.0))];
    let mut each = |name: &str, title: &str, part, work, seconds, variants: bool| {
        for target in targets.iter().filter(|target| variants || !target.is_variant()) {
            let label = file_name_label(&target.label);
            let (name, title) = (format!("{name}-{label}"), format!("{title}, {}", target.label));
            all.push(step(&name, &title, part, work, Some(target.clone()), seconds));
        }
    };
    each("device", "device", 1, StepKind::Device, (60.0, 2.0), true);
    each("gradient", "gradient", 1, StepKind::Gradient, (120.0, 4.0), true);
    for precision in [Precision::F32, Precision::Bf16] {
        for (model, batch) in TRAINING {
            let number = if precision == Precision::F32 { "f32" } else { "bf16" };
            let name = format!("training-{model}-b{batch}-{number}");
            let title = format!("{model}, batch {batch}, {number}");
            each(&name, &title, 2, StepKind::Training { model, batch, precision }, (90.0, 4.0), true);
        }
    }
    each("losses", "losses", 3, StepKind::Losses, (120.0, 5.0), false);
    each("resume", "kill and resume", 3, StepKind::Resume, (90.0, 6.0), false);
    each("lost-device", "lost device", 3, StepKind::LostDevice, (90.0, 6.0), false);
    each("evaluate", "evaluation, vgg11", 4, StepKind::Evaluate, (45.0, 4.0), true);
    all.push(step("simulate", "simulation, CPU", 4, StepKind::Simulate, None, (60.0, 10.0)));
    all.push(step("pipeline", "image files into resnet18", 4, StepKind::Pipeline, None, (120.0, 10.0)));
    if browser {
        all.push(step(
            "browser",
            "the page's modules in Chromium",
            6,
            StepKind::Browser,
            None,
            // Five contenders and a try through Vulkan: over two minutes on a software adapter.
            (480.0, 20.0),
        ));
    }
    all.push(step("recipe", "the recipe", 5, StepKind::Recipe, None, (f64::INFINITY, 15.0)));
    all
}

fn step(
    name: &str,
    title: &str,
    part: usize,
    work: StepKind,
    target: Option<Target>,
    seconds: (f64, f64),
) -> ProveStep {
    let (bound, least) = seconds;
    ProveStep { name: name.to_owned(), title: title.to_owned(), part, work, target, bound, least }
}

/// What the recipe counts for when time is divided, as a share of all time.
const RECIPE_SHARE: f64 = 0.4;

/// The seconds that the first of these steps may take, with `left` seconds for all of them: its share if time is short,
/// so that a slow device does not keep the later steps from their turn. None if it is not worth starting.
pub fn seconds_for(steps: &[ProveStep], left: f64) -> Option<f64> {
    let (first, rest) = steps.split_first()?;
    let weight =
        |step: &ProveStep| if step.bound.is_finite() { step.bound } else { (left * RECIPE_SHARE).max(120.0) };
    let share = left * weight(first) / (weight(first) + rest.iter().map(weight).sum::<f64>());
    let seconds = share.max(first.least).min(first.bound).min(left);
    (seconds >= first.least).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu_steps() -> Vec<ProveStep> {
        steps(&[Target::new("cpu", Path::new("/nowhere")).expect("known")], true)
    }

    #[test]
    fn names_are_distinct_and_parts_known() {
        let steps = cpu_steps();
        let names: std::collections::BTreeSet<_> = steps.iter().map(|step| &step.name).collect();
        assert_eq!(names.len(), steps.len());
        assert!(steps.iter().all(|step| (1..=PARTS.len()).contains(&step.part)));
        assert_eq!(steps.last().map(|step| step.work), Some(StepKind::Recipe), "it takes what is left");
    }

    #[test]
    fn time_is_shared_when_it_is_short_and_bounded_when_it_is_long() {
        let steps = cpu_steps();
        assert_eq!(seconds_for(&steps, 1e6), Some(30.0), "no step gets more than its bound");
        assert_eq!(seconds_for(&steps[steps.len() - 1..], 700.0), Some(700.0), "the recipe gets the rest");
        let slow =
            steps.iter().position(|step| matches!(step.work, StepKind::Training { .. })).expect("there");
        let seconds = seconds_for(&steps[slow..], 200.0).expect("enough");
        assert!((4.0..20.0).contains(&seconds), "{seconds}: the others need some, too");
        assert_eq!(seconds_for(&steps, 0.5), None);
        // Steps that use all they get still leave every step at least its least, down to a few minutes.
        let mut left = 300.0;
        for at in 0..steps.len() {
            left -= seconds_for(&steps[at..], left).unwrap_or_else(|| panic!("{} starves", steps[at].name));
        }
    }
}
