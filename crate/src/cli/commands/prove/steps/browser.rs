//! The page's modules in Chromium, on the real adapter: a page that times them posts what it finds to our own server.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{DONE, StepOutcome, failed, out_of_time, skipped};
use crate::cli::commands::prove::context::Context;
use crate::cli::commands::prove::record::Recorder;
use crate::cli::files;
use crate::cli::http::Server;
use crate::cli::measure::timing::median;
use crate::error::{Error, Result};

/// Without a screen and without requests of the browser's own.
const FLAGS: [&str; 7] = [
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu-sandbox",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--enable-unsafe-webgpu",
];
/// How the browser is started, in this order until a page answers. Some drivers, Mesa's lavapipe among them, can't draw
/// what Chromium asks of Vulkan; then it takes what it likes.
const STARTS: [(&str, &[&str]); 2] = [
    ("through Vulkan", &["--enable-features=Vulkan", "--use-angle=vulkan", "--disable-vulkan-surface"]),
    ("with Chromium's own choice", &[]),
];
/// A page says which adapter it has within this, in seconds, or it hangs.
const ANSWER_SECONDS: f64 = 30.0;
/// What is timed: the page's contender, its kind, and its needs.
const CONTENDERS: [(&str, &str, &str); 5] = [
    ("crossdub-webgpu", "Crossdub, WebGPU", "pkg/webgpu/crossdub.js"),
    ("crossdub-cpu", "Crossdub, CPU", "pkg/cpu/crossdub.js"),
    ("tensorflow-webgpu", "TensorFlow.js, WebGPU", "tensorflow/tfjs-backend-webgpu"),
    ("tensorflow-webgl", "TensorFlow.js, WebGL", "tensorflow/tfjs"),
    ("jax-webgpu", "jax-js, WebGPU", "jax/dist/index.js"),
];

/// Serves the page, starts Chromium, and collects.
pub fn measure(context: &Context, record: &mut Recorder) -> Result<StepOutcome> {
    let Some(browser) = &context.browser else { return Ok(skipped("no browser was given (--browser)")) };
    let web = context.bundle.join("web");
    if !web.join("prove.html").is_file() {
        return Ok(skipped(format!("{} has no prove.html", web.display())));
    }
    let here = |path: &str| context.bundle.join(path).exists();
    for (id, what, needs) in CONTENDERS {
        if !here(needs) {
            record.missing(
                id,
                &format!("step of vgg-small, batch 8: {what}"),
                "ms",
                format!("the bundle has no {needs}"),
            )?;
        }
    }
    let contenders: Vec<&str> =
        CONTENDERS.iter().filter(|(_, _, needs)| here(needs)).map(|(id, _, _)| *id).collect();
    let (sender, results) = mpsc::channel();
    let mut server = Server::bind(0)?.with_posts(sender).with_folder("/", &web)?;
    for folder in ["pkg", "bench", "tensorflow", "jax"] {
        if here(folder) {
            server = server.with_folder(&format!("/{folder}/"), &context.bundle.join(folder))?;
        }
    }
    let many = contenders.len().max(1) as f64;
    let seconds = (context.seconds_until(0.6) / (2.0 * many)).clamp(2.0, 20.0);
    // What hangs costs its share, not that of the others.
    let patience = context.seconds_until(0.8) / many;
    let query = format!("contenders={}&seconds={seconds:.0}&patience={patience:.0}", contenders.join(","));
    let address = format!("http://127.0.0.1:{}/prove.html?{query}", server.port()?);
    let (stop, outcome) = (AtomicBool::new(false), &mut None);
    std::thread::scope(|scope| {
        scope.spawn(|| server.run(&stop));
        *outcome = Some(start(browser, &address, &results, context, record));
        stop.store(true, Ordering::Relaxed);
    });
    drop(std::fs::remove_dir_all(context.folder()));
    outcome.take().unwrap_or(Ok(failed("nothing ran")))
}

/// Starts the browser in one way after the other, until one shows the page.
fn start(
    browser: &Path,
    address: &str,
    results: &Receiver<String>,
    context: &Context,
    record: &mut Recorder,
) -> Result<StepOutcome> {
    let mut troubles = Vec::new();
    for (how, flags) in STARTS {
        let profile = context.fresh_folder()?;
        let mut command = Command::new(browser);
        command.args(FLAGS).args(flags);
        command.arg(format!("--user-data-dir={}", files::display_path(&profile))).arg(address);
        let started = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(why) => return Ok(failed(format!("{} does not start: {why}", browser.display()))),
        };
        let collected = collect(&mut child, results, context, record);
        drop(child.kill());
        drop(child.wait());
        match collected? {
            BrowserEnd::Page(outcome) => {
                record.fact("browser started", how)?;
                return Ok(outcome);
            }
            BrowserEnd::NoAnswer(why) => {
                record.fact("without success", format!("{how}: {why}"))?;
                troubles.push(format!("{how}: {why}"));
            }
        }
    }
    Ok(failed(format!("no page answers; {}; see the step's log", troubles.join("; "))))
}

/// How a browser ended.
enum BrowserEnd {
    /// Its page answered.
    Page(StepOutcome),
    /// It never did, for this reason.
    NoAnswer(String),
}

fn collect(
    child: &mut std::process::Child,
    results: &Receiver<String>,
    context: &Context,
    record: &mut Recorder,
) -> Result<BrowserEnd> {
    let (began, mut answered) = (Instant::now(), false);
    loop {
        if context.seconds_until(0.98) <= 0.0 {
            return Ok(BrowserEnd::Page(out_of_time("the page did not end in time")));
        }
        if let Ok(text) = results.recv_timeout(Duration::from_millis(200)) {
            answered = true;
            let result: Value = serde_json::from_str(&text)
                .map_err(|why| Error::operation("reading", "the page's result", why))?;
            if result["id"] == "end" {
                return Ok(BrowserEnd::Page(DONE));
            }
            report(&result, record)?;
        } else if let Ok(Some(status)) = child.try_wait() {
            let why = format!("the browser ended by itself: {status}");
            return Ok(if answered { BrowserEnd::Page(failed(why)) } else { BrowserEnd::NoAnswer(why) });
        } else if !answered && began.elapsed().as_secs_f64() > ANSWER_SECONDS {
            return Ok(BrowserEnd::NoAnswer(format!("no answer within {ANSWER_SECONDS} s")));
        }
    }
}

fn report(result: &Value, record: &mut Recorder) -> Result<()> {
    let id = result["id"].as_str().unwrap_or_default();
    if id == "adapter" {
        record.fact("browser", result["agent"].as_str().unwrap_or("unknown"))?;
        let missing = result["missing"].as_str().map(|why| format!("none: {why}"));
        let adapter = missing.or_else(|| result["adapter"].as_str().map(str::to_owned)).unwrap_or_default();
        let software = if result["fallback"] == true { " (software: it computes on the CPU)" } else { "" };
        return record.fact("WebGPU adapter", adapter + software);
    }
    let Some((_, what, _)) = CONTENDERS.iter().find(|(known, _, _)| *known == id) else { return Ok(()) };
    let what = format!("step of vgg-small, batch 8: {what}");
    let Some(times) = result["times"].as_array() else {
        return record.missing(id, &what, "ms", result["error"].as_str().unwrap_or("it gave no times"));
    };
    for (at, times) in times.iter().enumerate() {
        let (id, what) = match at {
            0 => (id.to_owned(), what.clone()),
            _ => (format!("{id}-gated"), format!("{what}, gated regularizer")),
        };
        let times: Vec<f64> = times.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        match times.len() {
            0 => record.missing(&id, &what, "ms", "no step ended in time")?,
            n => {
                record.figure(&id, &what, median(times), "ms", n)?;
            }
        }
    }
    Ok(())
}
