//! Licences of everything that the site ships: the crates compiled into the modules and the npm packages bundled into
//! the page. Equal texts are written once, with the list of packages that use them.
//!
//! `cargo-about` would cover only the crates, and it takes minutes to install on every machine that builds the site.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::env::{BuildEnv, WASM_TARGET};
use crate::error::{Error, Result, file_error};
use crate::modules::Module;

const SEPARATOR: &str = "================================================================================";
const LICENCE_FILE_PREFIXES: [&str; 6] =
    ["license", "licence", "copying", "copyright", "notice", "unlicense"];

/// The notices file.
pub struct Notices {
    /// The file's text.
    pub text: String,
    /// How many third-party packages it lists.
    pub packages: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    licence: String,
    url: String,
    texts: Vec<String>,
}

/// Collects the packages from cargo and npm, with their licence files.
pub fn collect(env: &BuildEnv) -> Result<Notices> {
    let mut packages = crates(env)?;
    packages.extend(node_packages(env)?);
    // Some of Burn's crates offer Apache-2.0 without its text, which is the same everywhere.
    let apache = env.root.join("LICENSE-APACHE");
    let apache = normalize(&fs::read_to_string(&apache).map_err(file_error("read", &apache))?);
    for package in &mut packages {
        if package.texts.is_empty() && package.licence.contains("Apache-2.0") {
            package.texts.push(apache.clone());
        }
    }
    packages.sort();
    packages.dedup();
    Ok(Notices { text: write(&packages), packages: packages.len() })
}

/// The crates compiled into the modules, without build scripts and macros, which run only at build time.
fn crates(env: &BuildEnv) -> Result<Vec<Package>> {
    let mut wanted = BTreeSet::new();
    for module in Module::ALL {
        let tree =
            env.cargo().args(["tree", "--package", "crossdub", "--target", WASM_TARGET, "--prefix", "none"]);
        let tree = tree.args(["--edges", "normal,no-proc-macro"]).args(module.cargo_args(env));
        let list = tree.stdout().ok_or_else(|| Error::new("`cargo tree` failed"))?;
        wanted.extend(list.lines().filter_map(name_and_version));
    }
    let metadata = env.cargo().args(["metadata", "--format-version", "1", "--filter-platform", WASM_TARGET]);
    let metadata = metadata.stdout().ok_or_else(|| Error::new("`cargo metadata` failed"))?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| Error::new(error.to_string()))?;
    let all = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    // Packages of the workspace itself have no source.
    let third_party = all.iter().filter(|package| !package["source"].is_null());
    let packages = third_party.filter_map(|package| {
        let dir = PathBuf::from(string(&package["manifest_path"])).parent()?.to_path_buf();
        let package = Package {
            name: string(&package["name"]),
            version: string(&package["version"]),
            licence: string(&package["license"]),
            url: string(&package["repository"]),
            texts: licence_texts(&dir),
        };
        wanted.contains(&(package.name.clone(), package.version.clone())).then_some(package)
    });
    Ok(packages.collect())
}

/// The packages that Vite may bundle: production dependencies, direct and indirect.
fn node_packages(env: &BuildEnv) -> Result<Vec<Package>> {
    let list = env.npm().args(["ls", "--omit=dev", "--all", "--parseable"]).stdout();
    let list = list.ok_or_else(|| Error::new("`npm ls` failed; run by hand: npm ci"))?;
    let dirs = list.lines().map(Path::new).filter(|dir| *dir != env.root);
    Ok(dirs.filter_map(node_package).collect())
}

fn node_package(dir: &Path) -> Option<Package> {
    let package: Value = serde_json::from_str(&fs::read_to_string(dir.join("package.json")).ok()?).ok()?;
    Some(Package {
        name: string(&package["name"]),
        version: string(&package["version"]),
        licence: string(&package["license"]),
        url: string(if package["repository"].is_string() {
            &package["repository"]
        } else {
            &package["repository"]["url"]
        }),
        texts: licence_texts(dir),
    })
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Parses a line of `cargo tree`, such as `serde v1.0.0 (*)`.
fn name_and_version(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
}

fn licence_texts(dir: &Path) -> Vec<String> {
    let Ok(files) = dir.read_dir() else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        files.flatten().map(|file| file.path()).filter(|path| is_licence(path)).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read_to_string(path).ok()).map(|text| normalize(&text)).collect()
}

fn is_licence(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    // Skips source files, such as `license.rs`.
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let code = matches!(extension.as_deref(), Some("rs" | "js" | "ts" | "json" | "toml" | "html" | "py"));
    path.is_file() && !code && LICENCE_FILE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Removes differences in line ends and outer blank lines between copies of one text.
fn normalize(text: &str) -> String {
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
        let without = if package.texts.is_empty() { " (the package contains no licence text)" } else { "" };
        file.push_str(&format!("{title}: {}{without}, {}\n", package.licence, package.url));
        for text in &package.texts {
            users.entry(text).or_default().push(title.clone());
        }
    }
    for (text, users) in users {
        file.push_str(&format!("\n{SEPARATOR}\n{}\n{SEPARATOR}\n\n{text}\n", users.join(", ")));
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, texts: &[&str]) -> Package {
        let texts = texts.iter().map(|text| normalize(text)).collect();
        let [version, licence, url] = ["1.0.0", "MIT", "https://example.org"].map(str::to_owned);
        Package { name: name.to_owned(), version, licence, url, texts }
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
    fn package_without_licence_text_is_listed() {
        let file = write(&[package("bare", &[])]);
        assert!(file.contains("bare 1.0.0: MIT (the package contains no licence text), https://example.org"));
    }

    #[test]
    fn tree_lines_are_parsed() {
        assert_eq!(name_and_version("serde v1.0.229 (*)"), Some(("serde".to_owned(), "1.0.229".to_owned())));
        assert_eq!(name_and_version(""), None);
    }
}
