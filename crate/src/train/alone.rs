//! In the place of `others.rs` in the browser, where a run has one device.

use super::pass::{Pass, Passed};
use super::session::Session;
use super::update::Update;
use crate::error::{Error, Result};

/// No further devices.
#[derive(Default)]
pub(super) struct Others {}

impl Others {
    pub fn follow(&mut self, _: &Update) {}

    pub fn forget(&mut self) {}
}

impl Session {
    #[expect(clippy::unused_async, reason = "the native one awaits its devices")]
    pub(super) async fn shared_pass(&mut self, _: &Pass<'_>) -> Result<Passed> {
        Err(Error::field("devices", &self.spec.devices, "the page takes one device"))
    }
}
