//! Prints the public API that a file of rustdoc's JSON describes, one item a line.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(json) = std::env::args_os().nth(1) else {
        eprintln!("usage: crossdub-public-api RUSTDOC_JSON");
        return ExitCode::from(2);
    };
    let builder = public_api::Builder::from_rustdoc_json(json);
    // Derived and automatic implementations follow from the items and would triple the text.
    let builder = builder.omit_blanket_impls(true).omit_auto_trait_impls(true).omit_auto_derived_impls(true);
    match builder.build() {
        Ok(api) => {
            print!("{api}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
