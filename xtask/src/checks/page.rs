//! The page: what npm's scripts check, and the tests in browsers.

use super::test_totals;
use crate::env::{BuildEnv, first_free_port};
use crate::error::Result;
use crate::progress::Progress;
use crate::steps::{Artifact, Step};

const FIRST_TEST_PORT: u16 = 4187;

/// A check that is a script of package.json.
pub fn npm_script<'a>(name: &'static str, script: &'static str) -> Step<'a> {
    let action = move |env: &mut BuildEnv, progress: &mut Progress| {
        Ok(test_totals(&env.npm().args(["run", script]).run(progress)?))
    };
    Step::new(name, action).needs(&[Artifact::Node])
}

/// The page tests in Chromium; `quick` leaves out tests of the WebGPU module.
pub fn chromium_tests<'a>(quick: bool) -> Step<'a> {
    let step = Step::new("Page tests, Chromium", move |env, progress| run(env, progress, "test", quick));
    match quick {
        true => step.needs(&[Artifact::Site, Artifact::Chromium, Artifact::CpuRelaxedModule]),
        false => step.needs(&[
            Artifact::Site,
            Artifact::Chromium,
            Artifact::CpuRelaxedModule,
            Artifact::WebGpuModule,
        ]),
    }
}

/// The page tests in Firefox, which train on the CPU.
pub fn firefox_tests<'a>() -> Step<'a> {
    Step::new("Page tests, Firefox", |env, progress| run(env, progress, "test:firefox", false))
        .needs(&[Artifact::Site, Artifact::Firefox])
}

fn run(env: &BuildEnv, progress: &mut Progress, script: &str, quick: bool) -> Result<String> {
    // Another checkout's tests may be running on this machine.
    let port = first_free_port(FIRST_TEST_PORT)?.to_string();
    let mut tests = env.npm().args(["run", script]).env("CROSSDUB_TEST_PORT", port);
    if let Some(chromium) = &env.chromium {
        tests = tests.env("CROSSDUB_CHROMIUM", chromium);
    }
    if let Some(firefox) = &env.firefox {
        tests = tests.env("CROSSDUB_FIREFOX", firefox);
    }
    if quick {
        tests = tests.env("CROSSDUB_QUICK", "1");
    }
    Ok(test_totals(&tests.run(progress)?))
}
