//! Leaves the function names out of the browser's modules: a tenth of what a visitor downloads.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32") {
        println!("cargo:rustc-link-arg-cdylib=--strip-all");
        // wasm-bindgen reads there which instructions it may use.
        println!("cargo:rustc-link-arg-cdylib=--keep-section=target_features");
    }
}
