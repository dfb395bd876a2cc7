//! What to take from a checkpoint, where its content leaves a choice.

use clap::Args;

use crate::checkpoint::ReadOptions;
use crate::error::{Error, Result};

/// Which network to take from a checkpoint.
#[derive(Debug, Clone, Default, Args)]
pub struct NetworkChoice {
    /// The network to take, if the file holds several (student and teacher, a model and its average)
    #[arg(long = "network", value_name = "NAME")]
    network_name: Option<String>,
}

impl NetworkChoice {
    /// The same for the reader.
    pub fn read_options(&self) -> ReadOptions {
        ReadOptions { network: self.network_name.clone(), ..ReadOptions::default() }
    }
}

/// What to take from a checkpoint.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckpointOptions {
    #[command(flatten)]
    network: NetworkChoice,
    /// Layers that are transposed convolutions, whose weights are [in, out, kh, kw]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    transposed: Vec<String>,
    /// Groups of convolutions, where the shapes don't tell them: conv2=4
    #[arg(long, value_name = "NAME=N,...", value_delimiter = ',')]
    groups: Vec<String>,
}

impl CheckpointOptions {
    /// The same for the reader.
    ///
    /// # Errors
    /// If groups are not given as `NAME=N`.
    pub fn read_options(&self) -> Result<ReadOptions> {
        let group = |text: &String| {
            let pair = text.rsplit_once('=').and_then(|(name, n)| Some((name.to_owned(), n.parse().ok()?)));
            pair.ok_or_else(|| {
                Error::field("groups", text, "must be a layer and a number, as in conv2.weight=4")
            })
        };
        let groups = self.groups.iter().map(group).collect::<Result<_>>()?;
        Ok(ReadOptions { transposed: self.transposed.clone(), groups, ..self.network.read_options() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_a_name_and_a_number() {
        let of = |text: &str| {
            CheckpointOptions { groups: vec![text.to_owned()], ..CheckpointOptions::default() }.read_options()
        };
        assert_eq!(of("a.weight=4").expect("valid").groups, [("a.weight".to_owned(), 4)]);
        for bad in ["a.weight", "a=", "a=x", "a=-1"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
