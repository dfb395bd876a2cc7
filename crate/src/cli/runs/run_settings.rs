//! The settings of a run in a folder: configuration fields and files, from options and `config.toml`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::checkpoint::Checkpoint;
use crate::cli::files;
use crate::config::{ConfigFields, HardwareConfig, TrainConfig, TrainFields};
use crate::error::{Error, Result};
use crate::network::NetworkSpec;

/// Keys of `config.toml` that are not configuration fields.
const DATA: &str = "data_path";
const WEIGHTS: &str = "weights_path";
const MASKS: &str = "masks_path";
const TEACHER: &str = "teacher_path";
const MAX_BAD: &str = "max_bad";
/// In place of a file of masks: the zeros of the weights that the run starts from.
const FROM_ZEROS: &str = "from-zeros";
/// The same, unless these weights are quantized: they keep precisions and caps instead.
pub const FROM_ZEROS_OF_FLOATS: &str = "from-zeros-of-floats";

/// The files that options name.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFiles<'a> {
    /// The images.
    pub data: Option<&'a Path>,
    /// The weights to start from.
    pub weights: Option<&'a Path>,
    /// The masks.
    pub masks: Option<&'a Path>,
    /// The network to learn from.
    pub teacher: Option<&'a Path>,
}

/// Configuration fields and files; the rest has the command's defaults.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunSettings {
    /// The fields.
    pub fields: ConfigFields,
    /// The data: `builtin` or a path.
    pub data: Option<String>,
    /// The weights to start from.
    pub weights: Option<String>,
    /// The file of masks, `from-zeros` or [`FROM_ZEROS_OF_FLOATS`].
    pub masks: Option<String>,
    /// The network to learn from beside the labels.
    pub teacher: Option<String>,
    /// The share of images that may be unreadable, in percent. It is kept, so that a resumed run has the same limit.
    pub max_bad: Option<f64>,
}

impl RunSettings {
    /// Settings from options.
    pub fn from_options(fields: ConfigFields, files: RunFiles<'_>) -> Self {
        let name = |path: Option<&Path>| path.map(files::display_path);
        Self {
            fields,
            data: name(files.data),
            weights: name(files.weights),
            masks: name(files.masks),
            teacher: name(files.teacher),
            max_bad: None,
        }
    }

    /// Reads the content of `config.toml`.
    ///
    /// # Errors
    /// Names the field that is unknown or has the wrong type.
    pub fn from_map(mut map: Map<String, Value>) -> Result<Self> {
        let mut text = |name: &str| match map.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Error::field(name, other, "must be a string in quotes")),
        };
        let (data, weights) = (text(DATA)?, text(WEIGHTS)?);
        let (masks, teacher) = (text(MASKS)?, text(TEACHER)?);
        let max_bad = match map.remove(MAX_BAD) {
            None => None,
            Some(percent) => {
                let number = percent.as_f64();
                Some(number.ok_or_else(|| Error::field(MAX_BAD, &percent, "must be a number"))?)
            }
        };
        Ok(Self { fields: ConfigFields::from_map(&map)?, data, weights, masks, teacher, max_bad })
    }

    /// The content of `config.toml` for a run with these configurations: every field, and the files.
    pub fn to_map(&self, train: &TrainConfig, hardware: &HardwareConfig) -> Map<String, Value> {
        let mut map = config_map(train, hardware);
        let files =
            [(DATA, &self.data), (WEIGHTS, &self.weights), (MASKS, &self.masks), (TEACHER, &self.teacher)];
        for (name, text) in files {
            map.extend(text.as_ref().map(|text| (name.to_owned(), Value::from(text.as_str()))));
        }
        map.extend(self.max_bad.map(|percent| (MAX_BAD.to_owned(), Value::from(percent))));
        map
    }

    /// Overrides these settings with those set in `others`.
    pub fn extend(&mut self, others: Self) {
        self.fields.extend(others.fields);
        self.data = others.data.or(self.data.take());
        self.weights = others.weights.or(self.weights.take());
        self.masks = others.masks.or(self.masks.take());
        self.teacher = others.teacher.or(self.teacher.take());
        self.max_bad = others.max_bad.or(self.max_bad);
    }

    /// Whether the field of this name is set.
    pub fn sets(&self, field: &str) -> bool {
        match field {
            DATA => self.data.is_some(),
            WEIGHTS => self.weights.is_some(),
            MASKS => self.masks.is_some(),
            TEACHER => self.teacher.is_some(),
            MAX_BAD => self.max_bad.is_some(),
            field => self.fields.names().contains(&field),
        }
    }

    /// The configurations with the fields over `base`.
    ///
    /// # Errors
    /// Names the field that is out of range.
    pub fn configs(&self, base: &TrainConfig) -> Result<(TrainConfig, HardwareConfig)> {
        self.fields.apply(base, &HardwareConfig::default())
    }

    /// The data's path.
    ///
    /// # Errors
    /// If there is none.
    pub fn data_path(&self) -> Result<PathBuf> {
        let path = self.data.as_ref().map(PathBuf::from);
        path.ok_or_else(|| Error::field("data", "", "name it with --data"))
    }

    /// Reads the masks for this network; also returns where they came from.
    ///
    /// # Errors
    /// If they can't be read, or are the zeros of weights that are not named.
    pub fn read_masks(
        &self,
        weights: Option<&Checkpoint>,
        network: &NetworkSpec,
    ) -> Result<Option<(Checkpoint, String)>> {
        let Some(name) = &self.masks else { return Ok(None) };
        if ![FROM_ZEROS, FROM_ZEROS_OF_FLOATS].contains(&&**name) {
            let masks = files::read_weights(Path::new(name))?;
            let masks = match weights {
                Some(weights) => network.adapt_masks(masks, weights)?,
                None => masks,
            };
            return Ok(Some((masks, name.clone())));
        }
        let why = "needs the weights that the run starts from; name them with --weights";
        let weights = weights.ok_or_else(|| Error::field("masks", name, why))?;
        let of_floats = name == FROM_ZEROS_OF_FLOATS;
        if of_floats && weights.is_quantized() {
            return Ok(None);
        }
        Ok(Some((network.adapt(weights)?.masks(), FROM_ZEROS.to_owned())))
    }

    /// Checks that a run that was started with these settings can resume with others: only `devices` may differ.
    ///
    /// # Errors
    /// Names the first field that differs.
    pub fn check_unchanged(&self, others: &Self, devices: &TrainFields) -> Result<()> {
        let reject = |name: &str, new: &Value, old: &Value| {
            Err(Error::field(name, new, format!("the run was started with {old}; --resume keeps that")))
        };
        for (name, old, new) in [
            (WEIGHTS, &self.weights, &others.weights),
            (MASKS, &self.masks, &others.masks),
            (TEACHER, &self.teacher, &others.teacher),
        ] {
            let named = |new: &&String| ![FROM_ZEROS, FROM_ZEROS_OF_FLOATS].contains(&&***new);
            let Some(new) = new.as_ref().filter(|new| named(new) && Some(*new) != old.as_ref()) else {
                continue;
            };
            let old = Value::from(old.as_deref().unwrap_or("none"));
            return reject(name, &Value::from(new.as_str()), &old);
        }
        let (train, hardware) = self.configs(&TrainConfig::default())?;
        let (mut new_train, new_hardware) = others.fields.apply(&train, &hardware)?;
        if devices.device.is_some() || devices.devices.is_some() {
            (new_train.device, new_train.devices) = (train.device.clone(), train.devices.clone());
            new_train.gather = train.gather;
        }
        let (before, after) = (config_map(&train, &hardware), config_map(&new_train, &new_hardware));
        match before.iter().zip(&after).find(|((_, old), (_, new))| old != new) {
            Some(((name, old), (_, new))) => reject(name, new, old),
            None => Ok(()),
        }
    }
}

/// The fields of both configurations, by name.
fn config_map(train: &TrainConfig, hardware: &HardwareConfig) -> Map<String, Value> {
    let both = [serde_json::to_value(train), serde_json::to_value(hardware)];
    let maps = both.into_iter().filter_map(|value| match value {
        Ok(Value::Object(map)) => Some(map),
        _ => None,
    });
    maps.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> RunSettings {
        let text = "plan = '8 M'\nclassifier = ''\ntile = 64\ndata_path = 'builtin'\nmax_bad = 2.5";
        RunSettings::from_map(toml::from_str(text).expect("TOML")).expect("valid")
    }

    fn asked(text: &str) -> RunSettings {
        RunSettings::from_map(toml::from_str(text).expect("TOML")).expect("valid")
    }

    #[test]
    fn a_written_configuration_reads_back() {
        let started = started();
        let (train, hardware) = started.configs(&TrainConfig::default()).expect("valid");
        assert_eq!((train.plan.to_string(), hardware.tile), ("8 M".to_owned(), 64));
        let back = RunSettings::from_map(started.to_map(&train, &hardware)).expect("valid");
        assert_eq!((&back.data, back.max_bad), (&started.data, Some(2.5)));
        assert_eq!(back.configs(&TrainConfig::default()), Ok((train, hardware)));
        assert!(RunSettings::from_map(toml::from_str("data_path = 3").expect("TOML")).is_err());
    }

    #[test]
    fn options_override_a_file() {
        let mut settings = started();
        settings.extend(asked("tile = 32\nweights_path = 'w.pth'"));
        assert_eq!(settings.fields.crossbar.tile, Some(32));
        assert_eq!((settings.data.as_deref(), settings.weights.as_deref()), (Some("builtin"), Some("w.pth")));
        assert!(settings.sets("tile") && settings.sets("weights_path") && !settings.sets("batch"));
    }

    #[test]
    fn only_devices_may_change_on_resume() {
        let (started, none) = (started(), TrainFields::default());
        let error =
            |text: &str| started.check_unchanged(&asked(text), &none).err().map(|why| why.to_string());
        assert_eq!(error("tile = 64\nclassifier = ''"), None);
        assert_eq!(
            error("tile = 8").as_deref(),
            Some("invalid tile (8): the run was started with 64; --resume keeps that")
        );
        assert!(error("weights_path = 'w.pth'").is_some_and(|why| why.contains("started with \"none\"")));
        assert_eq!(error("masks_path = 'from-zeros'"), None);
        assert!(error("device = 'cpu'").is_some_and(|why| why.contains("device")));
        let moved = asked("device = 'cpu'");
        assert_eq!(started.check_unchanged(&moved, &moved.fields.train), Ok(()));
    }
}
