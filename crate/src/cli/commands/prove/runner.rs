//! Runs each step as a process of its own, with a bound on its time: a hang, a panic or a lost device costs one step.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::plan::{ProveStep, Target};
use super::record::{Status, StepRecord};
use super::vulkan::VulkanSetup;
use crate::cli::files;
use crate::error::{Error, Result};

/// How the reason begins when a signal has ended a step's process.
pub const CRASHED: &str = "crashed";
/// How often a step is looked at.
const POLL: Duration = Duration::from_millis(20);
/// A step that minds its time ends before this is over.
const GRACE: Duration = Duration::from_secs(3);

/// What all steps share.
pub struct Runner<'a> {
    /// Folder of the results.
    pub out: &'a Path,
    /// Folder of the bundle.
    pub bundle: &'a Path,
    /// What Vulkan needs.
    pub vulkan: &'a VulkanSetup,
    /// Options that steps take over as they are.
    pub options: Vec<String>,
    /// Set once the user wants to stop.
    pub stop: &'a AtomicBool,
}

/// How a step's process ended.
enum ProcessEnd {
    Exited(ExitStatus),
    Overran,
    Interrupted,
}

impl Runner<'_> {
    /// Runs a step on a device for at most this many seconds, and completes its record. `None` if the user stopped it.
    ///
    /// # Errors
    /// If its record can't be written.
    pub fn run(&self, step: &ProveStep, target: Option<&Target>, seconds: f64) -> Result<Option<StepRecord>> {
        StepRecord::new(&step.name, &step.title, step.part).write(self.out)?;
        let log = log_path(self.out, &step.name);
        let began = Instant::now();
        let end = self.run_process(step, target, seconds, &log);
        let read = StepRecord::read(self.out, &step.name);
        let mut record = read.unwrap_or_else(|| StepRecord::new(&step.name, &step.title, step.part));
        record.seconds = began.elapsed().as_secs_f64();
        match end {
            Err(error) => {
                record.status = Status::Failed;
                record.why = Some(error.to_string());
            }
            Ok(ProcessEnd::Interrupted) => return Ok(None),
            Ok(ProcessEnd::Overran) => {
                record.status = Status::OutOfTime;
                record.why = Some(format!("stopped after its {seconds:.0} s"));
            }
            Ok(ProcessEnd::Exited(status)) if !status.success() => {
                record.status = Status::Failed;
                record.why = Some(match status.code() {
                    Some(_) => last_error(&log).unwrap_or_else(|| format!("ended with {status}")),
                    // Not by itself: whatever it wrote before is not the reason.
                    None => format!("{CRASHED} ({status}), most likely in the driver"),
                });
            }
            Ok(ProcessEnd::Exited(_)) if record.status == Status::Running => {
                record.status = Status::Failed;
                record.why = Some("ended without a result".to_owned());
            }
            Ok(ProcessEnd::Exited(_)) => {}
        }
        record.write(self.out)?;
        Ok(Some(record))
    }

    fn run_process(
        &self,
        step: &ProveStep,
        target: Option<&Target>,
        seconds: f64,
        log: &Path,
    ) -> Result<ProcessEnd> {
        let program = match target.and_then(|target| target.binary.clone()) {
            Some(binary) => binary,
            None => own_binary()?,
        };
        let mut command = Command::new(&program);
        command.args(["prove", "--step", &step.name, "--seconds", &seconds.to_string()]);
        command.arg("--out").arg(self.out).arg("--bundle").arg(self.bundle).args(&self.options);
        if let Some(target) = target {
            command.args(["--device", &target.label]);
        }
        command.envs(self.vulkan.variables.iter().map(|(name, value)| (name, value)));
        let failed = |why| Error::file("writing a log", files::display_path(log), why);
        if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
            // Mesa complains without it, in lines that look like errors of ours.
            command.env("XDG_RUNTIME_DIR", self.out.join("work"));
        }
        let output = File::create(log).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let spawned = spawn_group(&mut command);
        let mut child =
            spawned.map_err(|why| Error::operation("starting", files::display_path(&program), why))?;
        let until = Instant::now() + Duration::from_secs_f64(seconds) + GRACE;
        loop {
            match child.try_wait() {
                Ok(Some(status)) => {
                    // What it has started and left behind goes with it.
                    kill_group(&mut child);
                    return Ok(ProcessEnd::Exited(status));
                }
                Ok(None) if self.stop.load(Ordering::Relaxed) => {
                    kill_group(&mut child);
                    return Ok(ProcessEnd::Interrupted);
                }
                Ok(None) if Instant::now() > until => {
                    kill_group(&mut child);
                    return Ok(ProcessEnd::Overran);
                }
                Ok(None) => std::thread::sleep(POLL),
                Err(why) => return Err(Error::operation("waiting for", &*step.name, why)),
            }
        }
    }
}

/// This program.
///
/// # Errors
/// If the system does not tell.
pub fn own_binary() -> Result<PathBuf> {
    std::env::current_exe().map_err(|why| Error::operation("finding", "this program", why))
}

/// Where a step's output goes.
pub fn log_path(out: &Path, step: &str) -> PathBuf {
    out.join("logs").join(format!("{step}.log"))
}

/// The last line of a log that says why a process ended.
pub fn last_error(log: &Path) -> Option<String> {
    let bytes = files::read("reading a log", log).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().rev();
    let error = lines.find_map(|line| line.strip_prefix("error: "));
    let panic = || {
        let mut lines = text.lines().skip_while(|line| !line.contains("panicked at"));
        lines.nth(1).map(|line| format!("panicked: {line}"))
    };
    error.map(str::to_owned).or_else(panic)
}

/// Starts a process as the head of a group, so that what it starts ends with it.
#[cfg(unix)]
fn spawn_group(command: &mut Command) -> std::io::Result<Child> {
    use std::os::unix::process::CommandExt;
    command.process_group(0).spawn()
}

#[cfg(not(unix))]
fn spawn_group(command: &mut Command) -> std::io::Result<Child> {
    command.spawn()
}

#[cfg(unix)]
fn kill_group(child: &mut Child) {
    kill_group_of(child.id());
    drop(child.wait());
}

#[cfg(unix)]
fn kill_group_of(head: u32) {
    use nix::sys::signal::{Signal, killpg};
    use nix::unistd::Pid;
    if let Ok(head) = i32::try_from(head) {
        // It fails only if all of them are gone.
        let _gone = killpg(Pid::from_raw(head), Signal::SIGKILL);
    }
}

#[cfg(not(unix))]
fn kill_group(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

/// Ends this step, with all that it has started, once the process that started it is gone.
#[cfg(unix)]
pub fn end_with_parent() {
    let parent = std::os::unix::process::parent_id();
    std::thread::spawn(move || {
        while std::os::unix::process::parent_id() == parent {
            std::thread::sleep(Duration::from_millis(200));
        }
        // It heads its group.
        kill_group_of(std::process::id());
    });
}

#[cfg(not(unix))]
pub fn end_with_parent() {}
