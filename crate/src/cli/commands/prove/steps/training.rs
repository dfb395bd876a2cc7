//! A training step of one network: first, whole, in parts, beside PyTorch, its memory and its launches.

use std::process::Stdio;
use std::time::Duration;

use super::{DONE, StepOutcome, out_of_time, skipped};
use crate::cli::commands::prove::context::{Context, device_memory, wait_for};
use crate::cli::commands::prove::peer::Peer;
use crate::cli::commands::prove::record::Recorder;
use crate::cli::files;
use crate::cli::measure::timing::{median, timed};
use crate::cli::measure::training_step::{PARTS, TrainingStep, measured_config};
use crate::cli::system;
use crate::config::{HardwareConfig, NetworkName, Precision, TrainConfig};
use crate::data::batch::BatchConfig;
use crate::data::loader::DataLoader;
use crate::data::synthetic;
use crate::device::ComputeDevice;
use crate::error::{Error, Result};

/// Turns at most, and how many are worth calling a median.
const MOST: usize = 30;
const FEW: usize = 3;
/// File in which the launches are logged.
const LAUNCHES: &str = "launches.log";

/// What is measured.
pub struct Case {
    /// The network.
    pub model: NetworkName,
    /// Images a step.
    pub batch: usize,
    /// The numbers that it computes in.
    pub precision: Precision,
}

impl Case {
    fn classes(&self) -> usize {
        if self.model == NetworkName::ResNet18 { 1000 } else { 10 }
    }

    fn config(&self) -> TrainConfig {
        measured_config(self.model, self.batch, self.precision)
    }

    fn step(&self, compute: &ComputeDevice, memory: u64) -> Result<TrainingStep> {
        let hardware = HardwareConfig { tile: 64, ..HardwareConfig::default() };
        TrainingStep::new(&self.config(), &hardware, self.classes(), compute, memory)
    }

    /// What `peers.py` builds the same network from.
    fn peer_arguments(&self, side: usize, on_cpu: bool) -> Vec<String> {
        let config = self.config();
        let network = match self.model {
            NetworkName::ResNet18 => "resnet18".to_owned(),
            _ => format!("vgg:{};{}", config.plan, config.classifier),
        };
        let precision = if self.precision == Precision::F32 { "f32" } else { "bf16" };
        let device = if on_cpu { "cpu" } else { "cuda" };
        [network, self.batch.to_string(), side.to_string(), precision.to_owned(), device.to_owned()].into()
    }
}

/// Measures a case.
pub fn measure(case: &Case, context: &Context, record: &mut Recorder) -> Result<StepOutcome> {
    let compute = context.open_device()?;
    if compute.check(case.precision).is_err() {
        return Ok(skipped(format!("{} has no bf16 through {}", compute.adapter, context.label)));
    }
    let mut step = match case.step(&compute, device_memory(&compute)) {
        Ok(step) => step,
        Err(error) => return Ok(skipped(format!("too little memory: {error}"))),
    };
    // Loads while the first step compiles its shaders.
    let on_cpu = context.is_slow(&compute);
    let arguments = case.peer_arguments(step.spec().side(), on_cpu);
    let (peer, first) = std::thread::scope(|scope| {
        let peer = scope.spawn(|| Peer::start(context, &arguments));
        let first = timed(|| step.whole(false));
        (peer.join().unwrap_or(None), first)
    });
    let (loss, first) = first;
    let loss = match loss {
        Ok(loss) => loss,
        Err(error) => match out_of_memory(&error.to_string()) {
            Some(why) => return Ok(skipped(format!("too little memory: {why}"))),
            None => return Err(error),
        },
    };
    record.figure("first", "first step, with the compilation of its shaders", first, "ms", 1)?;
    if !loss.is_finite() {
        return Ok(super::failed(format!("the loss of the first step is {loss}")));
    }
    take_turns(&mut step, (peer, PeerRow { on_cpu, precision: case.precision }), context, record)?;
    parts(&mut step, context, record)?;
    waits(case, &step, context, record)?;
    memory(&compute, record)?;
    launches(context, &compute, record)?;
    match record.value("step") {
        Some(_) => Ok(DONE),
        None => Ok(out_of_time(format!("a step takes more than {:.0} s here", first / 1000.0))),
    }
}

/// The part of a device's error that says that it has too little memory, or takes no buffer of this size.
fn out_of_memory(error: &str) -> Option<&str> {
    let at =
        ["can't allocate buffer", "OutOfMemory", "out of memory"].iter().find_map(|text| error.find(text))?;
    let told = &error[at..];
    Some(told.split(" No backtrace").next().unwrap_or(told).trim())
}

/// Where and how PyTorch computes. Its figures on the CPU have names of their own, so that nobody takes them for a
/// card's.
#[derive(Clone, Copy)]
struct PeerRow {
    on_cpu: bool,
    precision: Precision,
}

impl PeerRow {
    fn id(self) -> &'static str {
        if self.on_cpu { "pytorch-cpu" } else { "pytorch" }
    }

    fn title(self) -> &'static str {
        if self.on_cpu { "step in PyTorch on the CPU" } else { "step in PyTorch on the same card" }
    }

    fn note(self, name: &str) -> String {
        match (self.precision, self.on_cpu) {
            (Precision::F32, true) => format!("{name}; f32"),
            (Precision::F32, false) => format!("{name}; f32 without TensorFloat-32"),
            _ => format!("{name}; bf16 by autocast"),
        }
    }
}

/// Steps without and with the regularizer, and PyTorch's, in turn, so that all run under the same load.
fn take_turns(
    step: &mut TrainingStep,
    (peer, row): (Option<Result<Peer>>, PeerRow),
    context: &Context,
    record: &mut Recorder,
) -> Result<()> {
    let (mut peer, absent) = match peer {
        Some(Ok(peer)) => (Some(peer), String::new()),
        Some(Err(error)) => (None, error.to_string()),
        None => (None, "no Python was given (--python)".to_owned()),
    };
    // The regularizer's shaders, and PyTorch's choice of algorithms.
    if context.seconds_until(0.5) > 0.0 {
        step.whole(true)?;
    }
    let mut trouble = None;
    if let Some(running) = &mut peer {
        for _ in 0..2 {
            trouble = running.ask("step").err().map(|error| error.to_string());
        }
    }
    let (mut plain, mut gated, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    while plain.len() < MOST && (context.seconds_until(0.5) > 0.0 || plain.is_empty()) {
        if context.seconds_until(0.8) <= 0.0 {
            break;
        }
        let (loss, time) = timed(|| step.whole(false));
        loss?;
        plain.push(time);
        if let (Some(peer), None) = (&mut peer, &trouble) {
            match peer.ask("step") {
                Ok(time) => theirs.push(time),
                Err(error) => trouble = Some(error.to_string()),
            }
        }
        if context.seconds_until(0.8) > 0.0 {
            let (loss, time) = timed(|| step.whole(true));
            loss?;
            gated.push(time);
        }
        // A step that is stopped later keeps what is known by now.
        if plain.len() <= FEW {
            report_turns(record, &plain, &gated)?;
        }
    }
    report_turns(record, &plain, &gated)?;
    report_peer(
        record,
        (peer.as_mut(), row),
        &plain,
        &theirs,
        trouble.or((!absent.is_empty()).then_some(absent)),
    )
}

fn report_turns(record: &mut Recorder, plain: &[f64], gated: &[f64]) -> Result<()> {
    const NO_TIME: &str = "no time was left for a second step";
    if plain.is_empty() {
        return record.missing("step", "step, without the regularizer", "ms", NO_TIME);
    }
    record.figure("step", "step, without the regularizer", median(plain.to_vec()), "ms", plain.len())?;
    if gated.is_empty() {
        return record.missing("gated", "step, with the gated regularizer", "ms", NO_TIME);
    }
    record.figure("gated", "step, with the gated regularizer", median(gated.to_vec()), "ms", gated.len())?;
    let ratios: Vec<f64> = plain.iter().zip(gated).map(|(plain, gated)| gated / plain).collect();
    let n = ratios.len();
    record.figure("regularizer-share", "cost of the regularizer", 100.0 * (median(ratios) - 1.0), "%", n)?;
    record.note("median of paired steps")
}

fn report_peer(
    record: &mut Recorder,
    (peer, row): (Option<&mut Peer>, PeerRow),
    plain: &[f64],
    theirs: &[f64],
    trouble: Option<String>,
) -> Result<()> {
    let (id, what) = (row.id(), format!("{}, without the regularizer", row.title()));
    if theirs.is_empty() {
        let why = trouble.unwrap_or_else(|| "no time was left".to_owned());
        return record.missing(id, &what, "ms", why);
    }
    record.figure(id, &what, median(theirs.to_vec()), "ms", theirs.len())?;
    let name = peer.as_ref().map(|peer| peer.name.clone()).unwrap_or_default();
    record.note(row.note(&name))?;
    let ratios: Vec<f64> = plain.iter().zip(theirs).map(|(ours, theirs)| theirs / ours).collect();
    let n = ratios.len();
    let what = "PyTorch's time divided by Crossdub's; over 1, Crossdub is quicker";
    record.figure(&format!("{id}-ratio"), what, median(ratios), "x", n)?;
    let Some(peer) = peer else { return Ok(()) };
    if row.on_cpu {
        return Ok(());
    }
    let asked = if row.precision == Precision::F32 { FEW } else { 0 };
    let fast: Vec<f64> = (0..asked).map_while(|_| peer.ask("tf32").ok()).skip(1).collect();
    if !fast.is_empty() {
        let n = fast.len();
        record.figure("pytorch-tf32", "the same with TensorFloat-32 allowed", median(fast), "ms", n)?;
    }
    match peer.ask("memory") {
        Ok(bytes) => {
            record.figure("pytorch-memory", "PyTorch's peak memory", bytes / (1 << 20) as f64, "MiB", 1)?;
            Ok(())
        }
        Err(error) => record.missing("pytorch-memory", "PyTorch's peak memory", "MiB", error.to_string()),
    }
}

/// The parts of a step, with the device idle between them.
fn parts(step: &mut TrainingStep, context: &Context, record: &mut Recorder) -> Result<()> {
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..10 {
        if context.seconds_until(0.75) <= 0.0 {
            break;
        }
        for (part, time) in times.iter_mut().zip(step.parts()?) {
            part.push(time);
        }
    }
    for (part, times) in PARTS.into_iter().zip(times) {
        let what = format!("part: {part}");
        match times.len() {
            0 => record.missing(part, &what, "ms", "no time was left")?,
            n => {
                record.figure(part, &what, median(times), "ms", n)?;
            }
        }
    }
    Ok(())
}

/// What a step waits for before it can begin: the batch made on the CPU, and its upload.
fn waits(case: &Case, step: &TrainingStep, context: &Context, record: &mut Recorder) -> Result<()> {
    let uploads: Vec<f64> = (0..5)
        .map_while(|_| (context.seconds_until(0.85) > 0.0).then(|| step.upload()))
        .collect::<Result<_>>()?;
    match uploads.len() {
        0 => record.missing("upload", "part: upload of the batch", "ms", "no time was left")?,
        n => {
            record.figure("upload", "part: upload of the batch", median(uploads), "ms", n)?;
        }
    }
    let what = "a batch made on the CPU, augmented";
    if case.model == NetworkName::ResNet18 {
        return record.missing("data", what, "ms", "the step `pipeline` measures it on image files");
    }
    let mut loader = DataLoader::from(synthetic::generate(0, 4 * case.batch, 10));
    let drawing = BatchConfig { seed: 0, batch: case.batch, augment: true };
    let mut times = Vec::new();
    for at in 0..12_u64 {
        let (batch, time) = timed(|| loader.training_batch(drawing, at / 4, at % 4));
        batch?;
        times.push(time);
    }
    let n = times.len();
    record.figure("data", what, median(times), "ms", n)?;
    Ok(())
}

fn memory(compute: &ComputeDevice, record: &mut Recorder) -> Result<()> {
    let mebibytes = |bytes: u64| bytes as f64 / (1_u64 << 20) as f64;
    let what = "memory reserved on the device";
    match compute.device.memory_pool_usage() {
        Some(usage) => {
            record.figure("memory", what, mebibytes(usage.bytes_reserved), "MiB", 1)?;
            record.note("by Burn's allocator, which keeps what it has reserved")?;
        }
        None => record.missing("memory", what, "MiB", "this backend does not report it")?,
    }
    let what = "peak memory of the process";
    match system::peak_memory() {
        Some(bytes) => {
            record.figure("process-memory", what, mebibytes(bytes), "MiB", 1)?;
            Ok(())
        }
        None => record.missing("process-memory", what, "MiB", "the system does not report it"),
    }
}

/// Launches of one step, counted by a second process: Burn logs them only if its settings are there when it starts.
fn launches(context: &Context, compute: &ComputeDevice, record: &mut Recorder) -> Result<()> {
    let what = "launches a step, with the regularizer";
    let mut missing = |why: &str| record.missing("launches", what, "launches", why);
    if compute.kind == "cpu" || compute.kind == "tch" {
        return missing("the CPU launches nothing");
    }
    let left = context.seconds_until(1.0);
    if left < 2.0 {
        return missing("no time was left");
    }
    let folder = context.fresh_folder()?;
    let settings = format!("[profiling]\nlogger = {{ level = \"minimal\", file = \"{LAUNCHES}\" }}\n");
    files::write("writing settings", &folder.join("cubecl.toml"), settings.as_bytes())?;
    let mut command = context.helper("launches")?;
    command.current_dir(&folder).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|why| Error::operation("starting", "a helper", why))?;
    let ended = wait_for(&mut child, left)?;
    let mut text = String::new();
    if let Some(mut output) = child.stdout.take() {
        drop(std::io::Read::read_to_string(&mut output, &mut text));
    }
    match (ended, text.trim().parse::<f64>()) {
        (Some(_), Ok(count)) if count > 0.0 => {
            record.figure("launches", what, count, "launches", 1)?;
            record.note("one step; by Burn's log of what it runs")
        }
        (Some(status), _) if !status.success() => missing("the helper failed; see the step's log"),
        (Some(_), _) => missing("Burn logged none"),
        (None, _) => missing("no time was left"),
    }
}

/// Prints how many launches Burn logs in the third step.
///
/// # Errors
/// When the device fails.
pub fn count_launches(case: &Case, context: &Context) -> Result<()> {
    let compute = context.open_device()?;
    let mut step = case.step(&compute, u64::MAX)?;
    let count = || {
        // The log is written by another thread.
        std::thread::sleep(Duration::from_millis(300));
        let log = std::fs::read_to_string(LAUNCHES).unwrap_or_default();
        log.lines().filter(|line| !line.trim().is_empty()).count()
    };
    for _ in 0..2 {
        step.whole(true)?;
    }
    let before = count();
    step.whole(true)?;
    crate::cli::output::print(&format!("{}\n", count() - before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DeviceChoice;

    #[test]
    fn too_little_memory_is_an_error_before_anything_is_allocated() {
        let compute = pollster::block_on(ComputeDevice::open(&DeviceChoice::Cpu)).expect("a CPU");
        let case = Case { model: NetworkName::ResNet18, batch: 128, precision: Precision::F32 };
        let error = case.step(&compute, 64 << 20).err().expect("64 MiB are too few").to_string();
        assert!(error.contains("64 MiB are available"), "{error}");
    }

    #[test]
    fn a_device_that_takes_no_large_buffer_has_too_little_memory() {
        let error = "using the device (llvmpipe): An IO error happened Caused by: can't allocate buffer of size: 411041792 \
                     No backtrace available Asked at: No backtrace available";
        assert_eq!(out_of_memory(error), Some("can't allocate buffer of size: 411041792"));
        assert_eq!(out_of_memory("using the device (llvmpipe): it was lost"), None);
    }

    #[test]
    fn pytorch_on_the_cpu_has_a_name_of_its_own() {
        let row = |on_cpu, precision| PeerRow { on_cpu, precision };
        assert_eq!(row(false, Precision::F32).id(), "pytorch");
        assert_eq!(row(true, Precision::F32).id(), "pytorch-cpu");
        let note = |on_cpu, precision| row(on_cpu, precision).note("PyTorch 2.9.1");
        assert!(note(false, Precision::F32).contains("without TensorFloat-32"));
        assert!(!note(true, Precision::F32).contains("TensorFloat"), "a CPU has none");
        assert_eq!(note(false, Precision::Bf16), "PyTorch 2.9.1; bf16 by autocast");
    }
}
