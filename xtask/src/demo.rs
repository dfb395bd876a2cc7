//! `cargo xtask demo`: from nothing to a page that trains. The page opens as soon as the CPU module is there;
//! the WebGPU module is built behind it, and the open page offers it when it finds it.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result, on_file};
use crate::modules::{self, Module};
use crate::process::{self, Program};
use crate::setup;
use crate::steps::{self, Part, Step};
use crate::workshop::{Workshop, first_free_port, is_free};

const FIRST_PORT: u16 = 5173;

/// Sets up, builds, serves until Ctrl-C.
pub fn run(workshop: &mut Workshop, data: Option<PathBuf>, port: Option<u16>, open: bool) -> Result<bool> {
    let data = data.map(|folder| cifar10_in(&folder)).transpose()?;
    let port = free_port(port)?;
    let address = format!("http://127.0.0.1:{port}/");
    let mut server = None;
    let mut steps = setup::for_rust();
    steps.extend(setup::for_node());
    steps.extend(setup::for_wasm());
    steps.push(modules::build_step(Module::Cpu));
    let serving = Step::new("Page", |workshop: &mut Workshop, _| {
        server = Some(serve(workshop, data.as_deref(), port)?);
        let opened = open && open_browser(&address);
        let note = format!("{} {address}", if opened { "opened" } else { "open" });
        Ok(format!(
            "{note}\nIt trains on the CPU; WebGPU is offered there once the next step is done. Ctrl-C stops."
        ))
    });
    steps.push(serving.needs(&[Part::Node, Part::CpuModule]).gives(Part::Server));
    steps.push(modules::build_step(Module::WebGpu));
    let passed = steps::run_all(workshop, steps).passed();
    let Some(mut server) = server else { return Ok(false) };
    let devices = if passed { "on WebGPU or the CPU" } else { "on the CPU only" };
    println!("Serving {address}, training {devices}. Ctrl-C stops.");
    let status = server.wait().map_err(|error| Failure::new(format!("lost the web server: {error}")))?;
    process::stay_quiet_if_stopping();
    Err(Failure::new(format!("the web server ended ({status})")))
}

/// The folder with CIFAR-10's binary files: the one given, or the one the official archive makes inside it.
fn cifar10_in(folder: &Path) -> Result<PathBuf> {
    let candidates = [folder.to_path_buf(), folder.join("cifar-10-batches-bin")];
    let found = candidates.into_iter().find(|folder| folder.join("data_batch_1.bin").is_file());
    let found =
        found.ok_or_else(|| Failure::new(format!("{} holds no data_batch_1.bin", folder.display())))?;
    fs::canonicalize(&found).map_err(on_file("open", &found))
}

fn free_port(wanted: Option<u16>) -> Result<u16> {
    match wanted {
        Some(port) if is_free(port) => Ok(port),
        Some(port) => Err(Failure::new(format!("port {port} is taken"))),
        None => first_free_port(FIRST_PORT),
    }
}

/// Starts Vite itself, not through npm: one process to stop.
fn serve(workshop: &Workshop, data: Option<&Path>, port: u16) -> Result<Child> {
    let vite =
        Program::new("node").dir(&workshop.root).args(["node_modules/vite/bin/vite.js", "--strictPort"]);
    let vite = vite.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--logLevel", "warn"]);
    let vite = match data {
        Some(folder) => vite.env("CROSSDUB_DATA", folder),
        None => vite,
    };
    let mut server = vite.start()?;
    let started = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if let Ok(Some(status)) = server.try_wait() {
            return Err(Failure::new(format!("the web server ended at once ({status})")));
        }
        if started.elapsed() > Duration::from_secs(60) {
            return Err(Failure::new("the web server does not answer"));
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(server)
}

/// Asks the desktop to open a browser, if there is one; says whether it could.
fn open_browser(address: &str) -> bool {
    if cfg!(windows) {
        return Program::new("cmd").args(["/c", "start", "", address]).answer().is_some();
    }
    if cfg!(target_os = "macos") {
        return Program::new("open").args([address]).answer().is_some();
    }
    let display = ["DISPLAY", "WAYLAND_DISPLAY"].into_iter().any(|name| env::var_os(name).is_some());
    let opener = Program::new("sh").args(["-c", "command -v xdg-open"]).answer();
    // In a session of its own: the browser must outlive Ctrl-C here.
    let detached = "(setsid xdg-open \"$1\" || xdg-open \"$1\") >/dev/null 2>&1 &";
    display && opener.is_some() && Program::new("sh").args(["-c", detached, "sh", address]).answer().is_some()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_taken_port_is_refused_or_passed_over() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = taken.local_addr().expect("its address").port();
        assert_eq!(free_port(Some(port)), Err(Failure::new(format!("port {port} is taken"))));
        assert!(free_port(None).is_ok());
    }

    #[test]
    fn a_folder_without_the_data_is_refused() {
        let failure = cifar10_in(Path::new("no/such/folder")).expect_err("it is not there");
        assert_eq!(failure.message, "no/such/folder holds no data_batch_1.bin");
    }
}
