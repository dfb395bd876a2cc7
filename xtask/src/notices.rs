//! Licences of everything that the site ships: the crates compiled into the modules and the packages bundled
//! into the page. Equal texts are written once, with all that use them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::{Failure, Result, on_file};
use crate::modules::Module;
use crate::workshop::{WASM_TARGET, Workshop};

const RULE: &str = "================================================================================";
const LICENCE_FILES: [&str; 6] = ["license", "licence", "copying", "copyright", "notice", "unlicense"];

/// The file's text, and how many packages it names.
pub struct Notices {
    /// The whole file.
    pub text: String,
    /// Third-party packages named in it.
    pub packages: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    licence: String,
    address: String,
    texts: Vec<String>,
}

/// Reads both package managers' lists and the licence files of the packages in them.
pub fn collect(workshop: &Workshop) -> Result<Notices> {
    let mut packages = crates(workshop)?;
    packages.extend(node_packages(workshop)?);
    // Some of Burn's crates offer Apache-2.0 without its text, which is the same everywhere.
    let apache = workshop.root.join("LICENSE-APACHE");
    let apache = tidy(&fs::read_to_string(&apache).map_err(on_file("read", &apache))?);
    for package in &mut packages {
        if package.texts.is_empty() && package.licence.contains("Apache-2.0") {
            package.texts.push(apache.clone());
        }
    }
    packages.sort();
    packages.dedup();
    Ok(Notices { text: write(&packages), packages: packages.len() })
}

/// The crates compiled into either module: neither build scripts nor macros, which run at build time only.
fn crates(workshop: &Workshop) -> Result<Vec<Package>> {
    let mut wanted = BTreeSet::new();
    for module in [Module::Cpu, Module::WebGpu] {
        let tree = workshop.cargo().args([
            "tree",
            "--package",
            "crossdub",
            "--target",
            WASM_TARGET,
            "--prefix",
            "none",
        ]);
        let tree = tree.args(["--edges", "normal,no-proc-macro"]).args(module.options(workshop));
        let list = tree.answer().ok_or_else(|| Failure::new("`cargo tree` failed"))?;
        wanted.extend(list.lines().filter_map(name_and_version));
    }
    let metadata =
        workshop.cargo().args(["metadata", "--format-version", "1", "--filter-platform", WASM_TARGET]);
    let metadata = metadata.answer().ok_or_else(|| Failure::new("`cargo metadata` failed"))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| Failure::new(error.to_string()))?;
    let all = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    // Those of the workspace itself have no source.
    let third_party = all.iter().filter(|package| !package["source"].is_null());
    let packages = third_party.filter_map(|package| {
        let folder = PathBuf::from(text(&package["manifest_path"])).parent()?.to_path_buf();
        let package = Package {
            name: text(&package["name"]),
            version: text(&package["version"]),
            licence: text(&package["license"]),
            address: text(&package["repository"]),
            texts: licence_texts(&folder),
        };
        wanted.contains(&(package.name.clone(), package.version.clone())).then_some(package)
    });
    Ok(packages.collect())
}

/// The packages that Vite may bundle: production dependencies and theirs.
fn node_packages(workshop: &Workshop) -> Result<Vec<Package>> {
    let list = workshop.npm().args(["ls", "--omit=dev", "--all", "--parseable"]).answer();
    let list = list.ok_or_else(|| Failure::new("`npm ls` failed; run by hand: npm ci"))?;
    let folders = list.lines().map(Path::new).filter(|folder| *folder != workshop.root);
    Ok(folders.filter_map(node_package).collect())
}

fn node_package(folder: &Path) -> Option<Package> {
    let package: Value = serde_json::from_str(&fs::read_to_string(folder.join("package.json")).ok()?).ok()?;
    Some(Package {
        name: text(&package["name"]),
        version: text(&package["version"]),
        licence: text(&package["license"]),
        address: text(if package["repository"].is_string() {
            &package["repository"]
        } else {
            &package["repository"]["url"]
        }),
        texts: licence_texts(folder),
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// `serde v1.0.0 (*)` as printed by `cargo tree`.
fn name_and_version(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
}

fn licence_texts(folder: &Path) -> Vec<String> {
    let Ok(files) = folder.read_dir() else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        files.flatten().map(|file| file.path()).filter(|path| is_licence(path)).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read_to_string(path).ok()).map(|text| tidy(&text)).collect()
}

fn is_licence(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    // Not a source file that happens to be called so.
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let code = matches!(extension.as_deref(), Some("rs" | "js" | "ts" | "json" | "toml" | "html" | "py"));
    path.is_file() && !code && LICENCE_FILES.iter().any(|start| name.starts_with(start))
}

/// Line ends and outer blank lines differ between copies of one text.
fn tidy(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

fn write(packages: &[Package]) -> String {
    let mut file = String::from(
        "Crossdub is licensed under MIT or Apache-2.0, at your choice. This site also contains the packages below, each\n\
         under its own licence, and the Rust standard library (MIT or Apache-2.0, https://github.com/rust-lang/rust).\n\n",
    );
    let mut users: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for package in packages {
        let title = format!("{} {}", package.name, package.version);
        let without = if package.texts.is_empty() { " (its package holds no licence text)" } else { "" };
        file.push_str(&format!("{title}: {}{without}, {}\n", package.licence, package.address));
        for text in &package.texts {
            users.entry(text).or_default().push(title.clone());
        }
    }
    for (text, users) in users {
        file.push_str(&format!("\n{RULE}\n{}\n{RULE}\n\n{text}\n", users.join(", ")));
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, texts: &[&str]) -> Package {
        let texts = texts.iter().map(|text| tidy(text)).collect();
        let [version, licence, address] = ["1.0.0", "MIT", "https://example.org"].map(str::to_owned);
        Package { name: name.to_owned(), version, licence, address, texts }
    }

    #[test]
    fn equal_texts_are_written_once() {
        let file = write(&[
            package("a", &["Be kind.\r\n"]),
            package("b", &["\nBe kind.  "]),
            package("c", &["Be fair."]),
        ]);
        assert_eq!(file.matches("Be kind.").count(), 1);
        assert!(file.contains("a 1.0.0, b 1.0.0\n"));
        assert!(file.contains("Be fair."));
    }

    #[test]
    fn a_package_without_a_text_is_still_named() {
        let file = write(&[package("bare", &[])]);
        assert!(file.contains("bare 1.0.0: MIT (its package holds no licence text), https://example.org"));
    }

    #[test]
    fn tree_lines_name_a_package_and_its_version() {
        assert_eq!(name_and_version("serde v1.0.229 (*)"), Some(("serde".to_owned(), "1.0.229".to_owned())));
        assert_eq!(name_and_version(""), None);
    }
}
