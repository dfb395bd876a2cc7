//! Energy of a conversion by every published ADC model, 4 to 8 bits, and what 8 bits cost over 4:
//! `cargo run --example compare_adcs`.
#![expect(clippy::print_stdout, reason = "an example shows its results")]

use crossdub::adc::AdcParams;
use crossdub::report::compare;

fn main() -> crossdub::Result<()> {
    let bits = [4, 5, 6, 7, 8];
    let comparison = compare(&bits, &AdcParams::default(), None)?;
    print!("{:16}", "model");
    bits.iter().for_each(|bits| print!("{:>10}", format!("{bits} bits")));
    println!("{:>10}", "8 over 4");
    for model in &comparison.models {
        print!("{:16}", model.model);
        model.energy.iter().for_each(|energy| print!("{energy:>10.3}"));
        println!("{:>9.2}x", model.energy[4] / model.energy[0]);
    }
    println!("\nin pJ, or in bits for paper and the lossless counts");
    Ok(())
}
