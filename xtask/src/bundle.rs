//! `cargo xtask bundle`: one folder that checks and times Crossdub on another machine's graphics processor, without
//! network, Rust or Node there; and CIFAR-10 in parts that can be sent.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bench::browser::install_peers;
use crate::cmd::Cmd;
use crate::env::BuildEnv;
use crate::error::{Error, Result, file_error};
use crate::progress::{Progress, print_line};
use crate::setup;
use crate::steps::{Artifact, Step, run_all};

/// The bundle's name, and that of its archive.
const NAME: &str = "crossdub-gpu-linux-x86_64";
/// The most that the archive, and each part of the data, may have.
const MAX_BYTES: u64 = 60_000_000;
/// The binaries: their names and features. WGSL alone is what the page has. Each takes 24 MB of the archive, so that a
/// third, with `autotune`, has no place in it: whoever builds one puts it beside them as `crossdub-autotune`.
const BINARIES: [(&str, &str); 2] = [("crossdub", "webgpu,vulkan"), ("crossdub-wgsl", "webgpu")];
/// Where Debian and Fedora keep the loader, and its licence.
const LOADERS: [&str; 2] = ["/usr/lib/x86_64-linux-gnu/libvulkan.so.1", "/usr/lib64/libvulkan.so.1"];
const LOADER_LICENSES: [&str; 2] =
    ["/usr/share/doc/libvulkan1/copyright", "/usr/share/licenses/vulkan-loader/LICENSE.txt"];

/// What the page's modules are timed beside: the files of installed packages, and where they go.
const PEERS: [(&str, &str); 4] = [
    ("@tensorflow/tfjs/dist/tf.min.js", "tensorflow/tfjs/dist/tf.min.js"),
    (
        "@tensorflow/tfjs-backend-webgpu/dist/tf-backend-webgpu.min.js",
        "tensorflow/tfjs-backend-webgpu/dist/tf-backend-webgpu.min.js",
    ),
    ("@jax-js/jax/dist", "jax/dist"),
    ("@jax-js/jax/LICENSE", "jax/LICENSE"),
];

/// Makes the bundle, the packed data, or both.
pub fn run(env: &mut BuildEnv, gpu: bool, quick: bool, cifar: Option<PathBuf>) -> Result<bool> {
    if !gpu && cifar.is_none() {
        return Err(Error::new("name what to make: --gpu, --cifar PATH, or both"));
    }
    let mut steps = Vec::new();
    if gpu {
        // What an earlier bundle left would be packed, too.
        let bundle = folder(env);
        if bundle.exists() {
            fs::remove_dir_all(&bundle).map_err(file_error("empty", &bundle))?;
        }
        steps.extend(setup::rust_steps());
        let binaries = if quick { &BINARIES[..1] } else { &BINARIES[..] };
        for (name, features) in binaries {
            let build =
                move |env: &mut BuildEnv, progress: &mut Progress| binary(env, progress, name, features);
            steps.push(Step::new(format!("{name} with {features}"), build).needs(&[Artifact::Rust]));
        }
        steps.push(Step::new("files of the bundle", files).needs(&[Artifact::Rust]));
        steps.push(Step::new("archive", archive).needs(&[Artifact::Rust]));
    }
    if let Some(folder) = cifar {
        steps.push(Step::new("CIFAR-10 in parts", move |env, progress| pack_cifar(env, progress, &folder)));
    }
    let summary = run_all(env, steps);
    summary.print();
    Ok(summary.passed())
}

fn folder(env: &BuildEnv) -> PathBuf {
    env.root.join("dist").join(NAME)
}

/// Builds a binary and puts it, stripped, into the bundle.
fn binary(env: &mut BuildEnv, progress: &mut Progress, name: &str, features: &str) -> Result<String> {
    let describe = ["describe", "--always", "--dirty", "--exclude", "*"];
    let commit = Cmd::new("git").current_dir(&env.root).args(describe).stdout();
    let build =
        env.cargo().args(["build", "--locked", "--release", "--package", "crossdub", "--bin", "crossdub"]);
    let build = build.args(["--features", features]).env("CROSSDUB_COMMIT", commit.unwrap_or_default());
    build.run(progress)?;
    let bundle = folder(env);
    make(&bundle)?;
    let to = bundle.join(name);
    copy(&env.target_dir().join("release/crossdub"), &to)?;
    // Without binutils it is larger, and works.
    drop(Cmd::new("strip").args([&to]).run(progress));
    Ok(format!("{} MB", size(&to)? / 1_000_000))
}

/// Copies everything that is not built here.
fn files(env: &mut BuildEnv, progress: &mut Progress) -> Result<String> {
    let bundle = folder(env);
    let from = env.root.join("bundle");
    for name in ["prove.sh", "README.md", "peers.py"] {
        copy(&from.join(name), &bundle.join(name))?;
    }
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        copy(&env.root.join(name), &bundle.join(name))?;
    }
    for name in ["lib", "web"] {
        copy_folder(&from.join(name), &bundle.join(name))?;
    }
    copy_folder(&env.root.join("recipes"), &bundle.join("recipes"))?;
    make(&bundle.join("golden"))?;
    for name in ["cases.json", "small_t16_ratio.weights.safetensors", "small_t16_ratio.expected.safetensors"]
    {
        copy(&env.root.join("tests/golden").join(name), &bundle.join("golden").join(name))?;
    }
    make(&bundle.join("bench"))?;
    copy(&env.root.join("bench/browser/page.js"), &bundle.join("bench/page.js"))?;
    let mut absent = Vec::new();
    match first_file(&LOADERS) {
        Some(loader) => {
            copy(&loader, &bundle.join("lib/libvulkan.so.1"))?;
            if let Some(license) = first_file(&LOADER_LICENSES) {
                copy(&license, &bundle.join("lib/libvulkan.so.1.LICENSE"))?;
            }
        }
        None => absent.push("the Vulkan loader is not installed here, so the bundle has none"),
    }
    for module in ["cpu", "cpu-relaxed", "webgpu"] {
        let built = env.root.join("pkg").join(module);
        if built.join("crossdub.js").is_file() {
            copy_folder(&built, &bundle.join("pkg").join(module))?;
        } else {
            absent.push("the page's modules are not built (cargo xtask build), so the browser measures less");
        }
    }
    match install_peers(env, progress) {
        Ok(packages) => {
            for (from, to) in PEERS {
                let (from, to) = (packages.join(from), bundle.join(to));
                if from.is_dir() {
                    copy_scripts(&from, &to)?;
                } else {
                    make(to.parent().unwrap_or(&bundle))?;
                    copy(&from, &to)?;
                }
            }
        }
        Err(_) => absent.push("npm can't install TensorFlow.js and jax-js, so the browser measures less"),
    }
    let site = env.root.join("dist");
    if site.join("index.html").is_file() {
        make(&bundle.join("site"))?;
        for entry in fs::read_dir(&site).map_err(file_error("list", &site))?.flatten() {
            let name = entry.file_name();
            let (from, to) = (entry.path(), bundle.join("site").join(&name));
            if name.to_string_lossy().starts_with("crossdub-") {
                continue;
            }
            if from.is_dir() { copy_folder(&from, &to)? } else { copy(&from, &to)? }
        }
        // The page loads the same modules that are timed, so that the archive needs each only once.
        link_equal_files(&bundle.join("pkg"), &bundle.join("site/pkg"))?;
    }
    absent.dedup();
    let mut note = "ok".to_owned();
    for line in absent {
        note.push('\n');
        note.push_str(line);
    }
    Ok(note)
}

/// Packs the bundle and checks its size.
fn archive(env: &mut BuildEnv, progress: &mut Progress) -> Result<String> {
    let dist = env.root.join("dist");
    let archive = dist.join(format!("{NAME}.tar.gz"));
    let tar =
        Cmd::new("tar").current_dir(&dist).args(["--create", "--gzip", "--owner=0", "--group=0", "--file"]);
    tar.args([&archive]).args([NAME]).run(progress)?;
    checked_size(&archive)
}

/// Packs each of CIFAR-10's files by itself.
fn pack_cifar(env: &mut BuildEnv, progress: &mut Progress, from: &Path) -> Result<String> {
    let to = env.root.join("dist/crossdub-cifar10");
    make(&to)?;
    let mut packed = 0;
    for entry in fs::read_dir(from).map_err(file_error("list", from))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_batch =
            (name.starts_with("data_batch_") || name == "test_batch.bin") && name.ends_with(".bin");
        if !is_batch {
            continue;
        }
        progress.status(&name);
        copy(&entry.path(), &to.join(&name))?;
        Cmd::new("gzip").args(["--force", "--best"]).args([to.join(&name)]).run(progress)?;
        checked_size(&to.join(format!("{name}.gz")))?;
        packed += 1;
    }
    if packed == 0 {
        return Err(Error::new(format!("{} has no data_batch_1.bin to data_batch_5.bin", from.display())));
    }
    print_line(&format!("        {}", to.display()));
    Ok(format!("{packed} parts"))
}

/// A file's size, if it can be sent.
fn checked_size(file: &Path) -> Result<String> {
    let bytes = size(file)?;
    if bytes > MAX_BYTES {
        let most = MAX_BYTES / 1_000_000;
        return Err(Error::new(format!("{} has {bytes} bytes, over {most} MB", file.display())));
    }
    Ok(format!("{}, {:.1} MB", file.display(), bytes as f64 / 1e6))
}

fn size(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file).map_err(file_error("read", file))?.len())
}

fn first_file(paths: &[&str]) -> Option<PathBuf> {
    paths.iter().map(PathBuf::from).find(|path| path.is_file())
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(file_error("create", folder))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    // A running binary can't be written over, but its name can be given away.
    drop(fs::remove_file(to));
    fs::copy(from, to).map(|_| ()).map_err(file_error("copy", from))
}

/// Copies the modules of a folder that browsers load.
fn copy_scripts(from: &Path, to: &Path) -> Result<()> {
    make(to)?;
    for entry in fs::read_dir(from).map_err(file_error("list", from))?.flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "js") {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    make(to)?;
    for entry in fs::read_dir(from).map_err(file_error("list", from))?.flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy_folder(&entry.path(), &to)? } else { copy(&entry.path(), &to)? }
    }
    Ok(())
}

/// Replaces each file of `to` by a link to the same file of `from`, if it has the same bytes.
fn link_equal_files(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(from).map_err(file_error("list", from))?.flatten() {
        let (own, other) = (entry.path(), to.join(entry.file_name()));
        if own.is_dir() {
            link_equal_files(&own, &other)?;
        } else if fs::read(&other).is_ok_and(|bytes| fs::read(&own).is_ok_and(|own| own == bytes)) {
            fs::remove_file(&other).map_err(file_error("replace", &other))?;
            fs::hard_link(&own, &other).map_err(file_error("link", &other))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_files_become_one() {
        let folder = std::env::temp_dir().join(format!("crossdub-links-{}", std::process::id()));
        let (from, to) = (folder.join("from"), folder.join("to"));
        let write = |path: PathBuf, bytes: &str| {
            make(path.parent().expect("a folder"))
                .and_then(|()| fs::write(&path, bytes).map_err(file_error("write", &path)))
        };
        for (path, bytes) in [
            ("from/a/same", "1"),
            ("to/a/same", "1"),
            ("from/other", "2"),
            ("to/other", "3"),
            ("from/own", "4"),
        ] {
            write(folder.join(path), bytes).expect("written");
        }
        link_equal_files(&from, &to).expect("linked");
        write(from.join("a/same"), "5").expect("written");
        let read = |path: &str| fs::read_to_string(to.join(path)).ok();
        assert_eq!((read("a/same"), read("other"), read("own")), (Some("5".into()), Some("3".into()), None));
        fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn what_is_too_large_to_send_is_an_error() {
        let folder = std::env::temp_dir().join(format!("crossdub-bundle-{}", std::process::id()));
        make(&folder).expect("made");
        let file = folder.join("part");
        fs::File::create(&file).and_then(|file| file.set_len(MAX_BYTES)).expect("made");
        assert!(checked_size(&file).expect("fits").ends_with("60.0 MB"));
        fs::File::create(&file).and_then(|file| file.set_len(MAX_BYTES + 1)).expect("made");
        assert!(checked_size(&file).is_err());
        fs::remove_dir_all(&folder).expect("removed");
    }
}
