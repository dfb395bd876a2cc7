//! `crossdub bench`, each group followed by its peers.

use std::env;
use std::path::{Path, PathBuf};

use super::Group;
use super::peers;
use super::report::{Report, Row, parse_output, rows_of};
use crate::cmd::Cmd;
use crate::env::{BuildEnv, NATIVE_ARGS};
use crate::error::{Error, Result};
use crate::progress::Progress;

/// Builds the binary, with the features of the checks: Burn is compiled once for both.
pub fn build(env: &mut BuildEnv, progress: &mut Progress) -> Result<String> {
    progress.count_crates(env.native_crate_count());
    let build = env.cargo().args(["build", "--release", "--bin", "crossdub"]).args(NATIVE_ARGS);
    build.run(progress)?;
    Ok("ok".to_owned())
}

/// Measures a group, each of its rows followed by its peers.
pub fn measure(env: &BuildEnv, progress: &mut Progress, group: Group) -> Result<Report> {
    let mut report = Report::default();
    if group != Group::Images {
        measure_with(env, progress, group, None, &mut report)?;
        return Ok(report);
    }
    let folders = image_folders(env);
    if folders.is_empty() {
        report.missing.push("Images were not measured: there is no shared data folder.".to_owned());
    }
    for folder in folders {
        measure_with(env, progress, group, Some(&folder), &mut report)?;
    }
    Ok(report)
}

fn measure_with(
    env: &BuildEnv,
    progress: &mut Progress,
    group: Group,
    images: Option<&Path>,
    report: &mut Report,
) -> Result<()> {
    progress.status("measuring Crossdub");
    let program = env.target_dir().join("release").join(format!("crossdub{}", env::consts::EXE_SUFFIX));
    let mut bench =
        Cmd::new(program).current_dir(&env.root).args(["bench", "--json", "--only", &group.name()]);
    if let Some(folder) = images {
        bench = bench.args(["--images".as_ref(), folder.as_os_str()]);
    }
    let measured = parse_output(bench.run(progress)?)?;
    for row in rows_of(&measured)? {
        let id = row["id"].as_str().unwrap_or_default();
        let row = Row::from_json(row).ok_or_else(|| Error::new("a measurement lacks `what` or `ours_ms`"))?;
        let peers = peers::of_row(id);
        for (peer, work) in &peers {
            let work = images.map_or_else(|| work.clone(), |dir| format!("{work}={}", dir.display()));
            let (other_ms, missing) = match peers::measure(env, progress, &work)? {
                Ok(time) => (Some(time), None),
                Err(reason) => (None, Some(reason)),
            };
            let what = format!("{}{}", row.what, peer.detail);
            let row = Row { what, other: Some(peer.tool.to_owned()), other_ms, ..row.clone() };
            report.append(Report { rows: vec![row], missing: missing.into_iter().collect() });
        }
        if peers.is_empty() {
            report.rows.push(row);
        }
    }
    Ok(())
}

/// Photographs of native size and of 224 x 224, if the shared data is there.
fn image_folders(env: &BuildEnv) -> Vec<PathBuf> {
    let shared = env::var_os("CROSSDUB_SHARED").map_or_else(|| env.root.join("../shared"), PathBuf::from);
    let folders = ["data/imagenet-native", "data/imagenet-sample"].map(|folder| shared.join(folder));
    folders.into_iter().filter(|folder| folder.is_dir()).collect()
}
