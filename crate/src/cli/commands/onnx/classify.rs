//! `crossdub evaluate` of a model.

use std::path::Path;

use crate::cli::commands::onnx::images::ImageInput;
use crate::cli::files;
use crate::cli::options::data::DataOptions;
use crate::cli::options::network::NetworkOptions;
use crate::error::{Error, Result};
use crate::metrics::{log_sum_exp, rank_of};
use crate::onnx::OnnxNetwork;
use crate::train::evaluate::Evaluation;

/// Evaluates a model on held-out images.
///
/// # Errors
/// If the images can't be read, the model can't run, or it has fewer outputs than there are classes.
pub fn evaluate(
    network: &OnnxNetwork,
    path: &Path,
    options: &NetworkOptions,
    data: &DataOptions,
) -> Result<Evaluation> {
    let input = ImageInput::new(network, path, options)?;
    let loader = input.open(data)?;
    let test = loader.test();
    let with_path = |error: Error| error.with_path(&files::display_path(path));
    let scores = input.scores(network, test, 0..test.len(), |_| {}).map_err(with_path)?;
    evaluation(&scores)
}

/// Accuracy and loss of class scores with their labels.
///
/// # Errors
/// If there is no image, or a label has no score.
pub fn evaluation(scores: &[(Vec<f32>, i32)]) -> Result<Evaluation> {
    if scores.is_empty() {
        return Err(Error::field("data", "", "there are no images to evaluate on"));
    }
    let (mut correct, mut in_top5, mut loss) = (0, 0, 0.0);
    for (scores, label) in scores {
        let label = usize::try_from(*label).ok().filter(|&label| label < scores.len());
        let Some(label) = label else {
            let why = format!("the model has {} outputs, fewer than the data set has classes", scores.len());
            return Err(Error::field("data", "", why));
        };
        let rank = rank_of(scores, label);
        correct += usize::from(rank == 0);
        in_top5 += usize::from(rank < 5);
        loss += log_sum_exp(scores) - f64::from(scores[label]);
    }
    let count = scores.len() as f64;
    let percent = |number: usize| 100.0 * number as f64 / count;
    Ok(Evaluation::new(percent(correct), percent(in_top5), loss / count, scores.len()))
}
