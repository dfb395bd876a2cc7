//! `cargo xtask demo`: from a fresh checkout to a page that trains. The page opens as soon as the CPU module is built;
//! the other modules are built while it runs, and the open page uses them once they are there.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::cmd::Cmd;
use crate::env::{BuildEnv, first_free_port, is_free};
use crate::error::{Error, Result, file_error};
use crate::modules::{self, Module};
use crate::processes;
use crate::setup;
use crate::steps::{self, Artifact, Step};

const FIRST_PORT: u16 = 5173;
const SERVER_TIMEOUT: Duration = Duration::from_secs(60);

/// Sets up, builds and serves until Ctrl-C.
pub fn run(env: &mut BuildEnv, data: Option<PathBuf>, port: Option<u16>, open: bool) -> Result<bool> {
    let data = data.map(|dir| find_cifar10(&dir)).transpose()?;
    let port = choose_port(port)?;
    let url = format!("http://127.0.0.1:{port}/");
    let mut server = None;
    let mut steps = setup::rust_steps();
    steps.extend(setup::node_steps());
    steps.extend(setup::wasm_steps());
    steps.push(modules::build_step(Module::Cpu));
    let page = Step::new("Page", |env: &mut BuildEnv, _| {
        server = Some(start_server(env, data.as_deref(), port)?);
        let verb = if open && open_browser(&url) { "opened" } else { "open" };
        Ok(format!(
            "{verb} {url}\nTraining runs on the CPU. WebGPU is offered once the next step is done. Press Ctrl-C to stop."
        ))
    });
    steps.push(page.needs(&[Artifact::Node, Artifact::CpuModule]).provides(Artifact::Server));
    // Small, without Burn: before the one that takes minutes.
    steps.extend([Module::Onnx, Module::WebGpu].map(modules::build_step));
    let passed = steps::run_all(env, steps).passed();
    let Some(mut server) = server else { return Ok(false) };
    let devices = if passed { "WebGPU or the CPU" } else { "the CPU only" };
    println!("Serving {url}, training on {devices}. Press Ctrl-C to stop.");
    let status = server.wait().map_err(|error| Error::new(format!("lost the web server: {error}")))?;
    processes::wait_if_stopping();
    Err(Error::new(format!("the web server exited ({status})")))
}

/// The folder of CIFAR-10's binary files: the given one, or the one that the official archive creates inside it.
fn find_cifar10(dir: &Path) -> Result<PathBuf> {
    let candidates = [dir.to_path_buf(), dir.join("cifar-10-batches-bin")];
    let found = candidates.into_iter().find(|dir| dir.join("data_batch_1.bin").is_file());
    let found =
        found.ok_or_else(|| Error::new(format!("{} does not contain data_batch_1.bin", dir.display())))?;
    fs::canonicalize(&found).map_err(file_error("open", &found))
}

fn choose_port(requested: Option<u16>) -> Result<u16> {
    match requested {
        Some(port) if is_free(port) => Ok(port),
        Some(port) => Err(Error::new(format!("port {port} is in use"))),
        None => first_free_port(FIRST_PORT),
    }
}

/// Starts Vite itself, not through npm, so that there is one process to stop.
fn start_server(env: &BuildEnv, data: Option<&Path>, port: u16) -> Result<Child> {
    let vite =
        Cmd::new("node").current_dir(&env.root).args(["node_modules/vite/bin/vite.js", "--strictPort"]);
    let vite = vite.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--logLevel", "warn"]);
    let vite = match data {
        Some(dir) => vite.env("CROSSDUB_DATA", dir),
        None => vite,
    };
    let mut server = vite.spawn()?;
    let started = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if let Ok(Some(status)) = server.try_wait() {
            return Err(Error::new(format!("the web server exited at once ({status})")));
        }
        if started.elapsed() > SERVER_TIMEOUT {
            return Err(Error::new("the web server does not respond"));
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(server)
}

/// Asks the desktop to open a browser and returns whether it could.
fn open_browser(url: &str) -> bool {
    if cfg!(windows) {
        return Cmd::new("cmd").args(["/c", "start", "", url]).stdout().is_some();
    }
    if cfg!(target_os = "macos") {
        return Cmd::new("open").args([url]).stdout().is_some();
    }
    let display = ["DISPLAY", "WAYLAND_DISPLAY"].into_iter().any(|name| env::var_os(name).is_some());
    let opener = Cmd::new("sh").args(["-c", "command -v xdg-open"]).stdout();
    // In its own session: the browser must outlive Ctrl-C here.
    let detached = "(setsid xdg-open \"$1\" || xdg-open \"$1\") >/dev/null 2>&1 &";
    display && opener.is_some() && Cmd::new("sh").args(["-c", detached, "sh", url]).stdout().is_some()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn port_in_use_is_an_error_or_skipped() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        assert_eq!(choose_port(Some(port)), Err(Error::new(format!("port {port} is in use"))));
        assert!(choose_port(None).is_ok());
    }

    #[test]
    fn folder_without_cifar10_is_an_error() {
        let error = find_cifar10(Path::new("no/such/folder")).expect_err("it does not exist");
        assert_eq!(error.message, "no/such/folder does not contain data_batch_1.bin");
    }
}
