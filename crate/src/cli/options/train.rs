//! Options of the commands that train: declared in `config/fields.rs`, ranges checked in `config/train.rs`.

use clap::Args;

use crate::cli::options::crossbar::CrossbarOptions;
use crate::cli::options::network::NetworkOptions;
use crate::config::{ConfigFields, ConversionFields, DeviceList, TrainFields};

/// Configuration fields of a run; without an option, a field keeps the command's default.
#[derive(Debug, Args)]
pub struct TrainOptions {
    #[command(flatten)]
    train: TrainFields,
    #[command(flatten)]
    crossbar: CrossbarOptions,
    #[command(flatten)]
    conversions: ConversionFields,
}

impl TrainOptions {
    /// The fields that these options and those of the network set.
    pub fn fields(&self, network: &NetworkOptions) -> ConfigFields {
        let mut train = self.train.clone();
        train.extend(self.devices());
        let (network, crossbar) = (network.fields(), self.crossbar.fields());
        ConfigFields { network, train, crossbar, conversions: self.conversions.clone() }
    }

    /// The device fields among them: a run may resume on other devices. One device replaces a list of several in a
    /// file, and a new list is summed as its own option says.
    pub fn devices(&self) -> TrainFields {
        let TrainFields { device, devices, gather, .. } = self.train.clone();
        let gather = devices.is_some().then(|| gather.unwrap_or_default());
        let devices = if device.is_some() { Some(DeviceList::default()) } else { devices };
        TrainFields { device, devices, gather, ..TrainFields::default() }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        network: NetworkOptions,
        #[command(flatten)]
        options: TrainOptions,
    }

    fn fields(arguments: &[&str]) -> ConfigFields {
        let arguments = std::iter::once("crossdub").chain(arguments.iter().copied());
        let command = Command::try_parse_from(arguments).unwrap_or_else(|error| panic!("{error}"));
        command.options.fields(&command.network)
    }

    #[test]
    fn only_given_options_set_fields() {
        assert_eq!(fields(&[]), ConfigFields::default());
        let set =
            fields(&["--lambda=2e-3", "--milestones=3,5", "--augment=false", "--tile=64x32", "--side=64"]);
        assert_eq!(set.names(), ["side", "lambda", "milestones", "augment", "tile", "columns"]);
        assert_eq!(set.train.milestones, Some(vec![3, 5]));
    }

    #[test]
    fn a_plan_only_lists_given_fields() {
        let plan = fields(&["--plan", "8 M"]).network;
        assert!(plan.classifier.is_some_and(|widths| widths.is_empty()) && plan.batch_norm == Some(false));
        let plan = fields(&["--plan", "8 M", "--classifier", "16", "--batch-norm"]).network;
        assert!(
            plan.classifier.is_some_and(|widths| widths.as_slice() == [16]) && plan.batch_norm == Some(true)
        );
    }

    #[test]
    fn one_device_replaces_several() {
        assert_eq!(fields(&["--device", "cpu"]).train.devices, Some(DeviceList::default()));
        assert_eq!(fields(&["--devices", "cpu,cpu"]).train.gather, Some(false));
        assert_eq!(fields(&["--devices", "cpu,cpu", "--gather"]).train.gather, Some(true));
        assert_eq!(fields(&["--seed", "1"]).train.names(), ["seed"]);
    }
}
