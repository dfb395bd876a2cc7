//! `cargo xtask bench`: measures Crossdub beside the same work in other tools, natively and in Chromium.
//!
//! Prints the ratios and writes `docs/measurements.md`; with `--only` or `--json` it only prints. `crossdub bench` measures
//! ours, `bench/peers` and `bench/browser` the others, one right after the other, so that both see the same machine.
//! `CROSSDUB_PYTHON` names a Python with PyTorch, `CROSSDUB_CHROMIUM` the browser.

pub mod browser;
mod chart;
mod machine;
mod native;
mod peers;
mod report;

use std::cell::RefCell;
use std::fs;
use std::rc::Rc;

use clap::ValueEnum;
use report::Report;

use crate::env::BuildEnv;
use crate::error::{Error, Result, file_error};
use crate::progress::{self, Progress};
use crate::setup;
use crate::steps::{self, Artifact, Step};

/// What is measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// What the machine can do at most
    Machine,
    /// A training step of vgg-small, without and with the regularizer, and of VGG11; PyTorch
    Training,
    /// A forward pass without gradients; PyTorch
    Evaluation,
    /// The crossbar analysis; PyTorch
    Analysis,
    /// Pruning to levels
    Pruning,
    /// The regularizer's value and gradient; PyTorch
    Loss,
    /// Reading, decoding and transforming image files; torchvision
    Images,
    /// A training step of ResNet18 and its parts; PyTorch
    Resnet,
    /// Simulated crossbars and converters; aihwkit
    Simulation,
    /// Training steps of growing batches, networks and images; PyTorch
    Scaling,
    /// Training and simulation in Chromium; TensorFlow.js and jax-js
    Browser,
}

impl Group {
    /// Its name on the command line, here and of `crossdub bench`.
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Measures one group or all of them.
pub fn run(env: &mut BuildEnv, only: Option<Group>, json: bool) -> Result<bool> {
    if json {
        progress::use_stderr();
    }
    let groups = only.map_or_else(|| Group::value_variants().to_vec(), |group| vec![group]);
    let report = Rc::new(RefCell::new(Report::default()));
    let machine = machine::describe(env);
    let mut steps = Vec::new();
    if groups.iter().any(|group| *group != Group::Browser) {
        steps.extend(setup::rust_steps());
        steps.push(Step::new("Build", native::build).needs(&[Artifact::Rust]).provides(Artifact::Binary));
    }
    steps.extend(groups.into_iter().map(|group| measure_step(group, &report)));
    let write = only.is_none() && !json;
    if write {
        let report = report.clone();
        steps.push(Step::new("docs/measurements.md", move |env, _| {
            write_page(env, &report.borrow(), &machine)
        }));
    }
    let passed = steps::run_all(env, steps).passed();
    let report = report.borrow();
    if json {
        println!("{}", report.to_json());
    } else if !write {
        println!("{}", report.to_markdown());
    }
    Ok(passed)
}

fn measure_step<'a>(group: Group, report: &Rc<RefCell<Report>>) -> Step<'a> {
    let report = report.clone();
    let action = move |env: &mut BuildEnv, progress: &mut Progress| {
        let measured = match group {
            Group::Browser => browser::measure(env, progress)?,
            _ => native::measure(env, progress, group)?,
        };
        let note = measured.summary();
        report.borrow_mut().append(measured);
        Ok(note)
    };
    let step = Step::new(format!("Measuring: {}", group.name()), action);
    if group == Group::Browser { step } else { step.needs(&[Artifact::Binary]) }
}

fn write_page(env: &BuildEnv, report: &Report, machine: &str) -> Result<String> {
    if report.rows.is_empty() {
        return Err(Error::new("nothing was measured; docs/measurements.md is unchanged"));
    }
    let table = report.to_markdown();
    let path = env.root.join("docs/measurements.svg");
    let drawn =
        chart::draw(&report.rows).map_err(|why| Error::new(format!("can't draw the chart: {why}")))?;
    fs::write(&path, drawn).map_err(file_error("write", &path))?;
    let path = env.root.join("docs/measurements.md");
    let text = format!(
        "# Measurements\n\n{machine}\n\nWritten by `cargo xtask bench`. Times are medians of several runs. Compare ratios, \
         not milliseconds: above 1, Crossdub is faster.\nThe cost of the regularizer is the median over paired steps, so it \
         can differ from the quotient of the two medians.\nA time at the machine's peak is that of plain \
         sums; Winograd's filtering takes fewer products, and can be under it.\n\n![Ratios to other tools, and how the time of a training step grows](measurements.svg)\n\n{table}"
    );
    fs::write(&path, &text).map_err(file_error("write", &path))?;
    Ok(format!("written\n{table}"))
}
