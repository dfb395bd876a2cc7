//! The same work in PyTorch, torchvision and aihwkit: `bench/peers`.

use std::path::Path;
use std::{env, thread};

use serde_json::Value;

use super::report::parse_output;
use crate::cmd::Cmd;
use crate::env::BuildEnv;
use crate::error::Result;
use crate::progress::Progress;

/// What to measure beside a row of `crossdub bench`.
#[derive(Clone, Copy)]
pub struct Peer {
    /// The row's `id`.
    pub id: &'static str,
    /// The tool's name in the report.
    pub tool: &'static str,
    /// The work's name in `bench/peers`; that of image files is followed by `=` and their folder.
    pub work: &'static str,
    /// Appended to the row's `what`.
    pub detail: &'static str,
}

/// All peers of single rows. Rows of `crossdub bench` without one are measured alone.
const PEERS: [Peer; 12] = [
    Peer { id: "training", tool: "PyTorch CPU", work: "training", detail: "" },
    Peer { id: "training-vgg11", tool: "PyTorch CPU", work: "training_vgg11", detail: "" },
    Peer { id: "evaluation-vgg-small", tool: "PyTorch CPU", work: "evaluation_vgg_small", detail: "" },
    Peer { id: "evaluation-vgg11", tool: "PyTorch CPU", work: "evaluation_vgg11", detail: "" },
    Peer { id: "evaluation-resnet18", tool: "PyTorch CPU", work: "evaluation_resnet18", detail: "" },
    Peer { id: "analysis", tool: "PyTorch CPU", work: "analysis", detail: "" },
    Peer { id: "loss-vgg11", tool: "PyTorch CPU", work: "loss_vgg11", detail: "" },
    Peer { id: "loss-resnet18", tool: "PyTorch CPU", work: "loss_resnet18", detail: "" },
    Peer { id: "images", tool: "PyTorch CPU", work: "images", detail: "" },
    Peer { id: "resnet", tool: "PyTorch CPU", work: "resnet18", detail: "" },
    Peer {
        id: "simulation-layer",
        tool: "aihwkit CPU",
        work: "bit_serial_layer",
        detail: ", 8-bit weights and inputs bit by bit",
    },
    Peer {
        id: "simulation-multi-level",
        tool: "aihwkit CPU",
        work: "single_pass_layer",
        detail: ", in a single pass",
    },
];

/// The peers of a row, each with the name of its work. Points of a curve have one each, at the same place.
pub fn of_row(id: &str) -> Vec<(Peer, String)> {
    if let Some((curve, at)) = id.strip_prefix("scaling-").and_then(|point| point.split_once('-')) {
        let peer = Peer { id: "scaling", tool: "PyTorch CPU", work: "scaling", detail: "" };
        return vec![(peer, format!("{}={curve}:{at}", peer.work))];
    }
    let peers = PEERS.into_iter().filter(|peer| peer.id == id);
    peers.map(|peer| (peer, peer.work.to_owned())).collect()
}

/// Milliseconds that some work takes in a peer, or a sentence that explains why there are none.
pub fn measure(
    env: &BuildEnv,
    progress: &mut Progress,
    work: &str,
) -> Result<std::result::Result<f64, String>> {
    let python = env::var_os("CROSSDUB_PYTHON").unwrap_or_else(|| "python3".into());
    // Without its folder, which says nothing elsewhere.
    let python_name = Path::new(&python).file_name().unwrap_or(&python).to_string_lossy().into_owned();
    let has_torch = Cmd::new(&python).args(["-c", "import torch"]).stdout().is_some();
    if !has_torch {
        return Ok(Err(format!("PyTorch was not measured: `{python_name}` can't import torch.")));
    }
    progress.status(format!("measuring {work} in Python"));
    let threads = thread::available_parallelism().map_or(1, usize::from).to_string();
    let peers = Cmd::new(&python).current_dir(&env.root).args(["bench/peers", &threads, work]);
    let output = peers.env("PYTHONDONTWRITEBYTECODE", "1").run(progress)?;
    let time = parse_output(output)?.get(work).and_then(Value::as_f64);
    Ok(time.ok_or_else(|| format!("`{work}` was not measured: `{python_name}` lacks the package for it.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_of_a_curve_have_their_own_work() {
        let works = |id| of_row(id).into_iter().map(|(_, work)| work).collect::<Vec<_>>();
        assert_eq!(works("scaling-batch-16"), ["scaling=batch:16"]);
        assert_eq!(works("training"), ["training"]);
        assert!(works("pruning-exact").is_empty());
    }
}
